import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { isSealedBackup } from "../../core/mesh/core/sealed_backup.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { fileFailure } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";

/** The newest backup of the cluster's core that this node was given. */
export function backupFile(folder: string): string {
  return `${folder}/core.backup`;
}

/** Keeps a sealed backup in the place of the one before. @throws {TtunError} */
export function keepBackup(folder: string, sealed: Uint8Array): Promise<void> {
  if (!isSealedBackup(sealed)) throw new TtunError("protocol", "That is no backup of a core");
  const path = backupFile(folder);
  try {
    replaceAtomically(path, `${path}.${toHex(rng(8))}`, sealed, { mode: 0o600, durable: true });
  } catch (error) {
    throw fileFailure("keep a backup in", path, error);
  }
  return Promise.resolve();
}
