import { readState, writeState } from "../platform/state_file.ts";

/** Tokens of servers that have spoken version 2, one to a line, in the state directory. */
const FILE = "version2-servers";
const MOST_BYTES = 1 << 20;

/** Whether the token was written down before. What cannot be read was not. */
export function isKnown(directory: string, token: string): boolean {
  return readState(directory, FILE, MOST_BYTES).split("\n").includes(token);
}

/** Writes the token down; returns a sentence on why that was not possible, or null. */
export function remember(directory: string, token: string): string | null {
  const known = readState(directory, FILE, MOST_BYTES);
  if (known.split("\n").includes(token)) return null;
  // The oldest lines go when the file has grown without end: it is a memory, not an archive.
  return writeState(directory, FILE, `${known.slice(-MOST_BYTES / 2)}${token}\n`);
}
