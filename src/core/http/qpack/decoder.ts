import { sizeOf, type TableEntry } from "../hpack/dynamic_table.ts";
import { BlockReader, isFieldName, isFieldValue } from "../hpack/block_reader.ts";
import type { DecodedList, ListLimits } from "../hpack/decoder.ts";
import { HpackError } from "../hpack/hpack_error.ts";
import { QPACK_STATIC_TABLE } from "./static_table.ts";

const STATIC: readonly TableEntry[] = QPACK_STATIC_TABLE.map(([name, value]) => ({
  name,
  value,
  isValid: true,
}));

/**
 * Decodes the fields of one message of HTTP/3 (RFC 9204 section 4.5). This end allows no dynamic table,
 * and each block stands by itself, whatever is lost or comes late.
 * @throws {HpackError}, which is an error of the whole connection
 */
export function decodeQpack(block: Uint8Array, limits: ListLimits): DecodedList {
  const reader = new BlockReader();
  reader.begin(block);
  if (reader.integer(0xff) !== 0) throw new HpackError("they refer to a table that is not allowed");
  reader.integer(0x7f); // the base, which means nothing without that table
  const fields: TableEntry[] = [];
  let size = 0;
  let count = 0;
  while (!reader.isAtEnd) {
    const entry = readEntry(reader);
    size += sizeOf(entry);
    count++;
    if (size <= limits.bytes && count <= limits.fields) fields.push(entry);
  }
  return { fields, isTooLarge: size > limits.bytes || count > limits.fields };
}

function readEntry(reader: BlockReader): TableEntry {
  const first = reader.peek();
  if ((first & 0xc0) === 0xc0) return at(reader.integer(0x3f));
  if ((first & 0xd0) === 0x50) {
    const { name } = at(reader.integer(0x0f));
    const value = reader.string(0x7f);
    return { name, value, isValid: isFieldValue(value) };
  }
  if ((first & 0xe0) === 0x20) {
    const name = reader.string(0x07);
    const value = reader.string(0x7f);
    return { name, value, isValid: isFieldName(name) && isFieldValue(value) };
  }
  throw new HpackError("they refer to a table that is not allowed");
}

function at(index: number): TableEntry {
  const entry = STATIC[index];
  if (entry === undefined) throw new HpackError("an index leads nowhere");
  return entry;
}
