import { toLatin1 } from "../../../base/latin1.ts";
import type { Field } from "../fields.ts";

/** Makes a head of texts of one byte a character. */
export function packHead(firstLine: string, fields: readonly Field[]): Uint8Array {
  const lines = fields.map(({ name, value }) => `${name}: ${value}\r\n`);
  return toLatin1(`${firstLine}\r\n${lines.join("")}\r\n`);
}
