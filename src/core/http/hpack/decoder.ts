import { DynamicTable, sizeOf, type TableEntry } from "./dynamic_table.ts";
import { HpackError } from "./hpack_error.ts";
import { BlockReader, isFieldName, isFieldValue } from "./block_reader.ts";
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

const STATIC: readonly TableEntry[] = STATIC_TABLE.map(([name, value]) => ({
  name,
  value,
  isValid: true,
}));

/** Decodes the header blocks of one connection, in their order (RFC 7541). */
export class HpackDecoder {
  readonly #table: DynamicTable;
  /** The largest table that this end has allowed. */
  readonly #maxTable: number;
  readonly #block = new BlockReader();

  constructor(maxTable: number) {
    this.#maxTable = maxTable;
    this.#table = new DynamicTable(maxTable);
  }

  get table(): DynamicTable {
    return this.#table;
  }

  /** Decodes one block, whole even where it is too large: others refer to it. @throws {HpackError} */
  decode(block: Uint8Array, limits: ListLimits): DecodedList {
    const reader = this.#block;
    reader.begin(block);
    const fields: TableEntry[] = [];
    let size = 0;
    let mayResize = true;
    while (!reader.isAtEnd) {
      const byte = reader.peek();
      if ((byte & 0xe0) === 0x20) {
        if (!mayResize) throw new HpackError("its table changes its size within a block");
        this.#resize();
        continue;
      }
      mayResize = false;
      const entry = byte >= 0x80 ? this.#entry(reader.integer(0x7f)) : this.#literal(byte);
      size += sizeOf(entry);
      if (size <= limits.bytes && fields.length <= limits.fields) fields.push(entry);
    }
    const isTooLarge = size > limits.bytes || fields.length > limits.fields;
    return { fields, isTooLarge };
  }

  #resize(): void {
    const limit = this.#block.integer(0x1f);
    if (limit > this.#maxTable) throw new HpackError("its table is too large");
    this.#table.setLimit(limit);
  }

  #literal(byte: number): TableEntry {
    const isIndexed = (byte & 0x40) !== 0;
    const reader = this.#block;
    const index = reader.integer(isIndexed ? 0x3f : 0x0f);
    const named = index === 0 ? null : this.#entry(index);
    const name = named?.name ?? reader.string(0x7f);
    const value = reader.string(0x7f);
    const isValid = (named?.isValid ?? isFieldName(name)) && isFieldValue(value);
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
}
