import { fromHex, toHex } from "../../base/bytes.ts";
import { rng } from "../platform/rng.ts";
import {
  mayKeepState,
  NO_STATE_PERMISSION,
  readState,
  writeState,
} from "../platform/state_file.ts";

/** File in the state directory by which a client is known again: 32 random bytes in hex. */
const FILE = "identity";
const SIZE = 32;

/** The secret by which a client is known; null, with the reason, where it can keep none. */
export type KeptIdentity =
  | { readonly secret: Uint8Array; readonly why: null }
  | { readonly secret: null; readonly why: string };

/**
 * Reads the file, and makes it where there is none or something else stands in it. All clients that
 * share the directory share it. `directory`: null where there is none.
 */
export function keptIdentity(directory: string | null): KeptIdentity {
  if (directory === null) return { secret: null, why: "there is no HOME and no STATE_DIRECTORY" };
  if (!mayKeepState(directory)) return { secret: null, why: NO_STATE_PERMISSION };
  const before = read(directory);
  if (before !== null) return { secret: before, why: null };
  const problem = writeState(directory, FILE, `${toHex(rng(SIZE))}\n`);
  // The content read back counts: another client may have made the file in the same moment.
  const after = problem === null ? read(directory) : null;
  if (after !== null) return { secret: after, why: null };
  return { secret: null, why: problem ?? `${FILE} in ${directory} cannot be read` };
}

function read(directory: string): Uint8Array | null {
  const text = readState(directory, FILE, 1024).trim();
  return text.length === 2 * SIZE && /^[0-9a-f]+$/.test(text) ? fromHex(text) : null;
}
