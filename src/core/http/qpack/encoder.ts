import type { Field } from "../fields.ts";
import { BlockWriter } from "../hpack/block_writer.ts";
import { QPACK_STATIC_TABLE } from "./static_table.ts";

/** Indexes of a name: the first, and one for each value. */
interface Named {
  readonly first: number;
  readonly values: Map<string, number>;
}

const STATIC = new Map<string, Named>();
QPACK_STATIC_TABLE.forEach(([name, value], at) => {
  const named = STATIC.get(name) ?? { first: at, values: new Map<string, number>() };
  STATIC.set(name, named);
  named.values.set(value, at);
});

const writer = new BlockWriter();

/**
 * Encodes the fields of one message of HTTP/3 by the static table alone (RFC 9204 section 4.5), in a new
 * array. Names must be in small letters.
 */
export function encodeQpack(fields: readonly Field[]): Uint8Array {
  writer.begin();
  writer.integer(0, 0xff, 0);
  writer.integer(0, 0x7f, 0);
  for (const { name, value } of fields) {
    const named = STATIC.get(name);
    const index = named?.values.get(value);
    if (index !== undefined) {
      writer.integer(0xc0, 0x3f, index);
      continue;
    }
    if (named !== undefined) writer.integer(0x50, 0x0f, named.first);
    else writer.string(0x20, 0x07, name);
    writer.string(0, 0x7f, value);
  }
  return writer.bytes();
}
