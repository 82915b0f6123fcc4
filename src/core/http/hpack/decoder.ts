import { Buffer } from "node:buffer";
import { DynamicTable, sizeOf, type TableEntry } from "./dynamic_table.ts";
import { HpackError } from "./hpack_error.ts";
import { decodeHuffman } from "./huffman.ts";
import { STATIC_TABLE } from "./static_table.ts";

export interface ListLimits {
  /** Bytes of all names and values, and 32 for each field. */
  readonly bytes: number;
  readonly fields: number;
}

export interface DecodedList {
  /** Fields up to the limits; one byte a character. */
  readonly fields: readonly TableEntry[];
  readonly isTooLarge: boolean;
}

const { latin1Slice } = Buffer.prototype;

/** Memory for one decoded string, which all connections share. */
let scratch = new Uint8Array(1024);

const STATIC: readonly TableEntry[] = STATIC_TABLE.map(([name, value]) => ({
  name,
  value,
  isValid: true,
}));

/** Names in small letters, as HTTP/2 and 3 have them, and pseudo-fields. */
const NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

/** Decodes the header blocks of one connection, in their order (RFC 7541). */
export class HpackDecoder {
  readonly #table: DynamicTable;
  /** The largest table that this end has allowed. */
  readonly #maxTable: number;
  #bytes = new Uint8Array();
  #at = 0;

  constructor(maxTable: number) {
    this.#maxTable = maxTable;
    this.#table = new DynamicTable(maxTable);
  }

  get table(): DynamicTable {
    return this.#table;
  }

  /** Decodes one block, whole even where it is too large: others refer to it. @throws {HpackError} */
  decode(block: Uint8Array, limits: ListLimits): DecodedList {
    this.#bytes = block as Uint8Array<ArrayBuffer>;
    this.#at = 0;
    const fields: TableEntry[] = [];
    let size = 0;
    let mayResize = true;
    while (this.#at < block.length) {
      const byte = block[this.#at]!;
      if ((byte & 0xe0) === 0x20) {
        if (!mayResize) throw new HpackError("its table changes its size within a block");
        this.#resize();
        continue;
      }
      mayResize = false;
      const entry = byte >= 0x80 ? this.#entry(this.#integer(0x7f)) : this.#literal(byte);
      size += sizeOf(entry);
      if (size <= limits.bytes && fields.length <= limits.fields) fields.push(entry);
    }
    const isTooLarge = size > limits.bytes || fields.length > limits.fields;
    return { fields, isTooLarge };
  }

  #resize(): void {
    const limit = this.#integer(0x1f);
    if (limit > this.#maxTable) throw new HpackError("its table is too large");
    this.#table.setLimit(limit);
  }

  #literal(byte: number): TableEntry {
    const isIndexed = (byte & 0x40) !== 0;
    const index = this.#integer(isIndexed ? 0x3f : 0x0f);
    const named = index === 0 ? null : this.#entry(index);
    const name = named?.name ?? this.#string();
    const value = this.#string();
    const isValid = (named?.isValid ?? NAME.test(name)) && VALUE.test(value);
    const entry = { name, value, isValid };
    if (isIndexed) this.#table.add(entry);
    return entry;
  }

  #entry(index: number): TableEntry {
    const entry = index <= STATIC.length
      ? STATIC[index - 1]
      : this.#table.at(index - STATIC.length - 1);
    if (entry === undefined) throw new HpackError("an index leads nowhere");
    return entry;
  }

  /** Reads an integer whose first bits are those of `mask` (section 5.1). */
  #integer(mask: number): number {
    let value = this.#next() & mask;
    if (value < mask) return value;
    for (let factor = 1;; factor *= 128) {
      const byte = this.#next();
      value += (byte & 0x7f) * factor;
      if (factor > 128 ** 4 || value > 0x7fff_ffff) throw new HpackError("a number is too large");
      if (byte < 0x80) return value;
    }
  }

  #string(): string {
    const isHuffman = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(0x7f);
    const from = this.#at;
    const to = from + length;
    if (to > this.#bytes.length) throw new HpackError("a string is cut short");
    this.#at = to;
    if (!isHuffman) return latin1Slice.call(this.#bytes, from, to);
    const room = Math.ceil(length * 8 / 5);
    if (room > scratch.length) scratch = new Uint8Array(2 * room);
    const size = decodeHuffman(this.#bytes, from, to, scratch);
    return latin1Slice.call(scratch, 0, size);
  }

  #next(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new HpackError("it is cut short");
    return byte;
  }
}
