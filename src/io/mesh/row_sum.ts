import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import type { SqlValue } from "./sqlite_messages.ts";

const SIZE = 8;

/** Returns 8 bytes by which damage of a row is found: SQLite's pages have no checksum. */
export function rowSum(table: string, row: readonly SqlValue[]): Uint8Array {
  const hash = createHash("sha256").update(table);
  for (const value of row) {
    const bytes = typeof value === "object" ? value : Buffer.from(String(value), "utf8");
    hash.update(`\0${bytes.length}\0`).update(bytes);
  }
  return new Uint8Array(hash.digest().subarray(0, SIZE));
}

export function isSum(sum: unknown, expected: Uint8Array): boolean {
  return sum instanceof Uint8Array && sum.length === SIZE && sum.every((b, i) => b === expected[i]);
}
