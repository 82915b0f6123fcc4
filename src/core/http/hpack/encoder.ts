import type { Field } from "../fields.ts";
import { DynamicTable, sizeOf, type TableEntry } from "./dynamic_table.ts";
import { BlockWriter } from "./block_writer.ts";
import { STATIC_TABLE } from "./static_table.ts";

/** Entries of a name: the newest, and one for each value. */
interface Named {
  last: number;
  readonly values: Map<string, number>;
}

const STATIC = new Map<string, Named>();
STATIC_TABLE.forEach(([name, value], at) => {
  const named = STATIC.get(name) ?? { last: at + 1, values: new Map<string, number>() };
  STATIC.set(name, named);
  named.values.set(value, at + 1);
});

/** Fields that are hardly the same twice: the table is left to others. */
const VOLATILE = new Set([
  ":path",
  "age",
  "content-length",
  "content-range",
  "etag",
  "expires",
  "last-modified",
  "location",
  "set-cookie",
  "x-request-id",
]);

const LARGEST_INDEXED = 1024;

/** Encodes the header blocks of one connection, in their order (RFC 7541). */
export class HpackEncoder {
  /** Numbers of the table's entries. */
  readonly #names = new Map<string, Named>();
  readonly #table: DynamicTable;
  readonly #isVolatile: (name: string) => boolean;
  readonly #block = new BlockWriter();
  /** The least and the last limit since the last block, which must be told in the next one. */
  #newLimits: { least: number; last: number } | null = null;

  constructor(limit = 4096, isVolatile = (name: string): boolean => VOLATILE.has(name)) {
    this.#isVolatile = isVolatile;
    this.#table = new DynamicTable(limit, (entry, number) => this.#forget(entry, number));
  }

  get table(): DynamicTable {
    return this.#table;
  }

  setLimit(limit: number): void {
    if (limit === this.#table.limit && this.#newLimits === null) return;
    const least = Math.min(limit, this.#newLimits?.least ?? limit);
    this.#newLimits = { least, last: limit };
    this.#table.setLimit(limit);
  }

  /** Returns the block in a new array. Names must be in small letters. */
  encode(fields: readonly Field[]): Uint8Array {
    const block = this.#block;
    block.begin();
    const limits = this.#newLimits;
    this.#newLimits = null;
    if (limits !== null && limits.least < limits.last) block.integer(0x20, 0x1f, limits.least);
    if (limits !== null) block.integer(0x20, 0x1f, limits.last);
    for (const field of fields) this.#field(field);
    return block.bytes();
  }

  #field(field: Field): void {
    const { name, value } = field;
    const block = this.#block;
    const fixed = STATIC.get(name);
    const dynamic = this.#names.get(name);
    const index = fixed?.values.get(value) ?? this.#indexOf(dynamic?.values.get(value));
    if (index !== undefined) return block.integer(0x80, 0x7f, index);
    const nameIndex = fixed?.last ?? this.#indexOf(dynamic?.last) ?? 0;
    const isIndexed = value.length <= LARGEST_INDEXED && sizeOf(field) <= this.#table.limit &&
      !this.#isVolatile(name);
    if (isIndexed) block.integer(0x40, 0x3f, nameIndex);
    else block.integer(0, 0x0f, nameIndex);
    if (nameIndex === 0) block.string(0, 0x7f, name);
    block.string(0, 0x7f, value);
    if (isIndexed) this.#remember({ name, value, isValid: true });
  }

  #remember(entry: TableEntry): void {
    this.#table.add(entry);
    const number = this.#table.lastNumber;
    const named = this.#names.get(entry.name);
    if (named === undefined) {
      this.#names.set(entry.name, { last: number, values: new Map([[entry.value, number]]) });
    } else {
      named.last = number;
      named.values.set(entry.value, number);
    }
  }

  #forget({ name, value }: TableEntry, number: number): void {
    const named = this.#names.get(name);
    if (named?.values.get(value) === number) named.values.delete(value);
    if (named?.last === number) this.#names.delete(name);
  }

  #indexOf(number: number | undefined): number | undefined {
    return number === undefined
      ? undefined
      : STATIC_TABLE.length + 1 + this.#table.lastNumber - number;
  }
}
