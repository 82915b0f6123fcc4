import { toHex } from "../../base/bytes.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { fileFailure } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";
import { readKept } from "./kept_file.ts";

/** The name that the program tuntox gives the file, whose form it has. */
const FILE = "tox_save";

/** Bytes; one with a few friends has 1000. */
const MOST = 4 * 1024 * 1024;

/** Returns the identity that is kept in a folder; null = there is none yet. @throws {TtunError} */
export function readIdentity(folder: string): Uint8Array<ArrayBuffer> | null {
  return readKept(`${folder}/${FILE}`, MOST, "the identity")?.bytes ?? null;
}

/** Puts the identity into a folder, for its owner alone. @throws {TtunError} usage, privilege, system */
export function keepIdentity(folder: string, savedata: Uint8Array): void {
  const path = `${folder}/${FILE}`;
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    // A name that nobody can occupy in advance.
    const next = `${path}.${toHex(rng(8))}`;
    replaceAtomically(path, next, savedata, { mode: 0o600, isModeExact: true, durable: true });
  } catch (error) {
    throw fileFailure("keep the identity in", path, error);
  }
}
