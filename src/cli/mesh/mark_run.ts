import { writeNew } from "../../io/files/new_file.ts";
import { isThere } from "../../io/files/present.ts";
import { fileFailure } from "../platform/file_failure.ts";

const MARK = "has-run";

/**
 * Marks a node as one that has run, beside its key: whoever loses the records alone, and starts again
 * with the key, may have given stamps that it knows nothing of. Returns true if it was marked before.
 * @throws {TtunError}
 */
export function markRun(folder: string): boolean {
  const path = `${folder}/${MARK}`;
  try {
    if (isThere(path)) return true;
    writeNew(path, new Uint8Array(), { mode: 0o600, durable: true });
    return false;
  } catch (error) {
    throw fileFailure("mark the node as run in", path, error);
  }
}
