import { readState, writeState } from "../platform/state_file.ts";

/** File in the state directory with tokens of servers that have spoken version 2, one per line. */
const FILE = "version2-servers";
const MOST_BYTES = 1 << 20;

/** Returns true if the token was stored before; an unreadable file has none. */
export function isKnown(directory: string, token: string): boolean {
  return readState(directory, FILE, MOST_BYTES).split("\n").includes(token);
}

/** Stores the token; returns why that was not possible, or null. */
export function remember(directory: string, token: string): string | null {
  const known = readState(directory, FILE, MOST_BYTES);
  if (known.split("\n").includes(token)) return null;
  // Drops the oldest lines of a file that has become too long.
  return writeState(directory, FILE, `${known.slice(-MOST_BYTES / 2)}${token}\n`);
}
