import { toHex, utf8 } from "../../base/bytes.ts";
import { listField, readFields } from "../../core/mesh/admission/json.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { fileReason } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";
import { readKept } from "../tox/kept_file.ts";

const FILE = "revoked.json";
const MOST = 1024 * 1024;

/** Returns the ids of nodes that were revoked when the node ran last. @throws {TtunError} */
export function readRevoked(folder: string): string[] {
  const path = `${folder}/${FILE}`;
  const kept = readKept(path, MOST, "the revoked nodes");
  if (kept === null) return [];
  const idOf = (item: unknown) =>
    typeof item === "string" && /^[0-9a-f]{64}$/.test(item) ? item : null;
  return listField(readFields(kept.bytes, path), "revoked", path, idOf, Infinity);
}

/** Returns why they cannot be kept, or null. */
export function keepRevoked(folder: string, revoked: readonly string[]): string | null {
  try {
    const path = `${folder}/${FILE}`;
    const bytes = utf8(`${JSON.stringify({ revoked })}\n`);
    replaceAtomically(path, `${path}.${toHex(rng(8))}`, bytes, { mode: 0o600, durable: true });
    return null;
  } catch (error) {
    return fileReason(error);
  }
}
