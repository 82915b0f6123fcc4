import { TtunError } from "../../base/errors.ts";
import type { CoreState } from "../../contract/mesh_disk.ts";
import { openCoreFile } from "./core_file.ts";

/**
 * Puts a core that comes from another node, or from a backup, beside the file `path`; it becomes that
 * file by `activateCore`.
 */
export async function putPendingCore(path: string, state: CoreState): Promise<void> {
  const pending = pendingPath(path);
  await removeDatabase(pending);
  const { disk } = await openCoreFile(pending, { create: true, isAlone: true });
  await using _ = disk;
  await disk.replace(state);
}

/** The epoch of the core that waits beside `path`, or null. */
export async function pendingEpoch(path: string): Promise<number | null> {
  if (!await exists(pendingPath(path))) return null;
  const { disk, state } = await openCoreFile(pendingPath(path), { create: false, isAlone: true });
  await disk[Symbol.asyncDispose]();
  return state.epoch;
}

/**
 * Makes the pending core the node's own. Repeated, it has no effect. Nobody may have either open.
 * @throws {TtunError} usage, if there is none of this epoch
 */
export async function activateCore(path: string, epoch: number): Promise<void> {
  const waiting = await pendingEpoch(path);
  if (waiting === epoch) {
    // In this order: the old file never stands without its log, nor the new one with another's.
    await removeDatabase(path);
    await Deno.rename(pendingPath(path), path);
    return;
  }
  if (waiting === null && await exists(path)) {
    const { disk, state } = await openCoreFile(path, { create: false, isAlone: true });
    await disk[Symbol.asyncDispose]();
    if (state.epoch === epoch) return;
  }
  throw new TtunError("usage", `This node was sent no core of epoch ${epoch}`);
}

const ENDS = ["-wal", "-shm", "-journal"];

function pendingPath(path: string): string {
  return `${path}.new`;
}

async function removeDatabase(path: string): Promise<void> {
  for (const end of ["", ...ENDS]) await removeIfThere(path + end);
}

async function removeIfThere(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  });
}
