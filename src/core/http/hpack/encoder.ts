import type { Field } from "../fields.ts";
import { DynamicTable, sizeOf, type TableEntry } from "./dynamic_table.ts";
import { encodeHuffman, huffmanLength } from "./huffman.ts";
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
const FIRST_ROOM = 1024;

/** Encodes the header blocks of one connection, in their order (RFC 7541). */
export class HpackEncoder {
  /** Numbers of the table's entries. */
  readonly #names = new Map<string, Named>();
  readonly #table: DynamicTable;
  readonly #isVolatile: (name: string) => boolean;
  #bytes = new Uint8Array(FIRST_ROOM);
  #at = 0;
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
    this.#at = 0;
    this.#need(2 * 6);
    const limits = this.#newLimits;
    this.#newLimits = null;
    if (limits !== null && limits.least < limits.last) this.#integer(0x20, 0x1f, limits.least);
    if (limits !== null) this.#integer(0x20, 0x1f, limits.last);
    for (const field of fields) this.#field(field);
    return this.#bytes.slice(0, this.#at);
  }

  #field(field: Field): void {
    const { name, value } = field;
    this.#need(name.length + value.length + 3 * 6);
    const fixed = STATIC.get(name);
    const dynamic = this.#names.get(name);
    const index = fixed?.values.get(value) ?? this.#indexOf(dynamic?.values.get(value));
    if (index !== undefined) return this.#integer(0x80, 0x7f, index);
    const nameIndex = fixed?.last ?? this.#indexOf(dynamic?.last) ?? 0;
    const isIndexed = value.length <= LARGEST_INDEXED && sizeOf(field) <= this.#table.limit &&
      !this.#isVolatile(name);
    if (isIndexed) this.#integer(0x40, 0x3f, nameIndex);
    else this.#integer(0, 0x0f, nameIndex);
    if (nameIndex === 0) this.#string(name);
    this.#string(value);
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

  #integer(pattern: number, mask: number, value: number): void {
    if (value < mask) {
      this.#bytes[this.#at++] = pattern | value;
      return;
    }
    this.#bytes[this.#at++] = pattern | mask;
    let rest = value - mask;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.#bytes[this.#at++] = rest % 128 | 0x80;
    this.#bytes[this.#at++] = rest;
  }

  #string(text: string): void {
    const length = huffmanLength(text);
    if (length <= text.length) {
      this.#integer(0x80, 0x7f, length);
      this.#at = encodeHuffman(text, this.#bytes, this.#at);
      return;
    }
    this.#integer(0, 0x7f, text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[this.#at++] = text.charCodeAt(i);
  }

  #need(room: number): void {
    if (this.#at + room <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at + room));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}
