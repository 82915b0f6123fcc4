import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { fileFailure, fileReason } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";

/** The name that the program tuntox gives the file, whose form it has. */
const FILE = "tox_save";

/** Bytes; one with a few friends has 1000. */
const MOST = 4 * 1024 * 1024;

/** Returns the identity that is kept in a folder; null = there is none yet. @throws {TtunError} */
export function readIdentity(folder: string): Uint8Array<ArrayBuffer> | null {
  const path = `${folder}/${FILE}`;
  try {
    const { isFile, size } = Deno.statSync(path);
    if (isFile && size <= MOST) return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    const message = `Cannot read the identity ${path}: ${fileReason(error)}`;
    throw new TtunError("privilege", message, { cause: error });
  }
  throw new TtunError("usage", `Cannot use the identity ${path}: it is no file, or a large one`);
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
