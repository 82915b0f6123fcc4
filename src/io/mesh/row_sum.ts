import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import type { SqlValue } from "./sqlite_messages.ts";

const SIZE = 8;

/** Returns 8 bytes by which damage of a row is found: SQLite's pages have no checksum. */
export function rowSum(table: string, row: readonly SqlValue[]): Uint8Array {
  const hash = createHash("sha256");
  // Texts between two blobs go together: each call of the hash costs more than what it hashes.
  let text = table;
  for (const value of row) {
    if (typeof value === "object") {
      hash.update(`${text}\0${value.length}\0`).update(value);
      text = "";
    } else {
      const words = String(value);
      text += `\0${Buffer.byteLength(words)}\0${words}`;
    }
  }
  return new Uint8Array(hash.update(text).digest().subarray(0, SIZE));
}

export function isSum(sum: unknown, expected: Uint8Array): boolean {
  return sum instanceof Uint8Array && sum.length === SIZE && sum.every((b, i) => b === expected[i]);
}
