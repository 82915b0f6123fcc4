import { Errno } from "../../../ffi/linux/errno.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { SIGKILL, SIGTERM } from "../../../ffi/linux/signal.ts";
import { TtunError } from "../../base/errors.ts";
import { startOf } from "../../io/changes/process_identity.ts";
import { printPlain } from "../output/log_writer.ts";
import type { UpProcess } from "./state.ts";

const SIGHUP = 1;

/** Milliseconds for processes to end when they are told to, with their --down commands. */
const GRACE_MS = 10_000;

const LOOK_MS = 20;

export function isThere(libc: Libc, { pid, start }: UpProcess): boolean {
  return startOf(libc, pid) === start;
}

/** Asks processes to read their files again. @throws {TtunError} privilege */
export function hangUp(libc: Libc, processes: readonly UpProcess[]): void {
  for (const one of processes) tell(libc, one, SIGHUP);
}

/** Ends processes, the last first, and waits for them. @throws {TtunError} privilege */
export async function endAll(libc: Libc, processes: readonly UpProcess[]): Promise<void> {
  const left = () => processes.filter((one) => isThere(libc, one));
  for (const one of left().toReversed()) tell(libc, one, SIGTERM);
  for (let waited = 0; left().length > 0; waited += LOOK_MS) {
    if (waited === GRACE_MS) {
      for (const one of left()) {
        printPlain(
          `ttun: warning: ${one.command} (process ${one.pid}) does not end, and is killed`,
        );
        tell(libc, one, SIGKILL);
      }
    }
    await new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function tell(libc: Libc, { command, pid }: UpProcess, signal: number): void {
  const result = libc.kill(pid, signal);
  if (result === 0 || result === -Errno.ESRCH) return;
  throw new TtunError(
    "privilege",
    `Cannot send a signal to ${command} (process ${pid}): it belongs to another user`,
  );
}
