import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { NativeError } from "../../../ffi/native.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { fileFailure } from "../platform/file_failure.ts";
import { type FileLock, lockFile } from "../platform/file_lock.ts";
import { othersMayRead } from "../platform/folders.ts";
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

/**
 * Locks the identity of a folder until the process ends: two nodes of one identity would take each
 * other's packets. Null where there are no locks. @throws {TtunError} in_use
 */
export function lockIdentity(folder: string): FileLock | null {
  const path = `${folder}/${FILE}`;
  const lock = tryLock(path);
  if (lock !== "taken") return lock;
  throw new TtunError(
    "in_use",
    `Another ttun runs with the identity ${path}: end that one, or give another folder by -C`,
  );
}

/** A file that may be read alone, as on a disk that is read-only, is not locked. */
function tryLock(path: string): FileLock | "taken" | null {
  try {
    return lockFile(path);
  } catch (error) {
    if (error instanceof NativeError) return null;
    throw error;
  }
}

/**
 * Puts the identity into a folder, for its owner alone, unless it is there so already: `had` is what
 * was read there. @throws {TtunError} usage, privilege, system
 */
export function keepIdentity(
  folder: string,
  savedata: Uint8Array,
  had: Uint8Array | null = null,
): void {
  const path = `${folder}/${FILE}`;
  try {
    if (had !== null && !othersMayRead(Deno.statSync(path))) return;
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    // A name that nobody can occupy in advance.
    const next = `${path}.${toHex(rng(8))}`;
    replaceAtomically(path, next, savedata, { mode: 0o600, isModeExact: true, durable: true });
  } catch (error) {
    throw fileFailure("keep the identity in", path, error);
  }
}
