import { readState, writeState } from "../platform/state_file.ts";

/** A file with tokens of servers that have spoken version 2, one per line. */
const FILE = "version2-servers";
const MOST_BYTES = 1 << 20;

/** Finds a token; an unreadable file has none. */
export function isKnown(directory: string, token: string): boolean {
  return readState(directory, FILE, MOST_BYTES).split("\n").includes(token);
}

/** Returns why that was not possible, or null. */
export function remember(directory: string, token: string): string | null {
  const known = readState(directory, FILE, MOST_BYTES);
  if (known.split("\n").includes(token)) return null;
  return writeState(directory, FILE, `${known.slice(-MOST_BYTES / 2)}${token}\n`);
}
