import { fromHex, toHex } from "../../base/bytes.ts";
import { rng } from "../platform/rng.ts";
import {
  mayKeepState,
  NO_STATE_PERMISSION,
  readState,
  writeState,
} from "../platform/state_file.ts";

/** A file of the state directory with 32 random bytes in hex. */
const FILE = "identity";
const SIZE = 32;

/** A client's secret; null, with the reason, if it cannot keep one. */
export type KeptIdentity =
  | { readonly secret: Uint8Array; readonly why: null }
  | { readonly secret: null; readonly why: string };

/** Creates it if missing or unusable. All clients of the directory share it; null = none. */
export function keptIdentity(directory: string | null): KeptIdentity {
  if (directory === null) return { secret: null, why: "there is no HOME and no STATE_DIRECTORY" };
  if (!mayKeepState(directory)) return { secret: null, why: NO_STATE_PERMISSION };
  const before = read(directory);
  if (before !== null) return { secret: before, why: null };
  const problem = writeState(directory, FILE, `${toHex(rng(SIZE))}\n`);
  // Another client may have created the file at that moment: the content read back counts.
  const after = problem === null ? read(directory) : null;
  if (after !== null) return { secret: after, why: null };
  return { secret: null, why: problem ?? `${FILE} in ${directory} cannot be read` };
}

function read(directory: string): Uint8Array | null {
  const text = readState(directory, FILE, 1024).trim();
  return text.length === 2 * SIZE && /^[0-9a-f]+$/.test(text) ? fromHex(text) : null;
}
