import type { Libc } from "../../../ffi/linux/libc.ts";
import { TtunError } from "../../base/errors.ts";
import { findLeftovers, type Leftover, repair } from "../../io/changes/repair.ts";
import { printPlain } from "../output/log_writer.ts";
import { allFolders } from "../status/folders.ts";
import { isThere } from "./processes.ts";
import type { StateFile, UpProcess, UpState } from "./state.ts";

/** Returns those that have ended and left changes on this machine, as a kill switch. */
export function withLeftovers(libc: Libc, processes: readonly UpProcess[]): UpProcess[] {
  const ended = processes.filter((one) => !isThere(libc, one));
  if (ended.length === 0) return [];
  const pids = new Set(leftoversHere(libc).map(({ pid }) => pid));
  return ended.filter(({ pid }) => pids.has(pid));
}

/**
 * Removes the file when all of the state has ended, unless something of it is left on this machine:
 * only the file tells `ttun down` then what to take away. Returns true if something is left.
 */
export function forget(libc: Libc, file: StateFile, { config, processes }: UpState): boolean {
  const left = withLeftovers(libc, processes);
  if (left.length === 0) file.remove();
  else file.write({ config, processes: left });
  return left.length > 0;
}

/**
 * Takes away what processes have left that were killed, a kill switch too. Returns true if there was
 * any of it.
 * @throws {TtunError} system
 */
export function repairAfter(libc: Libc, processes: readonly UpProcess[]): boolean {
  const pids = processes.map(({ pid }) => pid);
  const left = leftoversHere(libc).filter(({ pid }) => pids.includes(pid));
  const done = repair(left, libc, { keepsOutliving: false });
  for (const { pid, what, failure, left } of done) {
    if (left !== undefined) printPlain(`ttun: warning: ${left}`);
    else if (failure === undefined) printPlain(`ttun: took away ${what}, of process ${pid}`);
  }
  const failed = done.find(({ failure }) => failure !== undefined);
  if (failed === undefined) return done.length > 0;
  throw new TtunError("system", `Cannot take away ${failed.what}: ${failed.failure}`);
}

function leftoversHere(libc: Libc): Leftover[] {
  return allFolders().flatMap((folder) => {
    try {
      return findLeftovers(libc, folder);
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) return []; // others' are none of these
      throw error;
    }
  });
}
