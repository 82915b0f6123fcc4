import { readFile } from "../../../ffi/linux/file.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { TtunError } from "../../base/errors.ts";
import { printPlain } from "../output/log_writer.ts";
import type { UpProcess } from "./state.ts";

const SIGHUP = 1;
const SIGKILL = 9;
export const SIGTERM = 15;

/** Milliseconds for processes to end when they are told to, with their --down commands. */
const GRACE_MS = 10_000;

const LOOK_MS = 20;

/** Bytes: the beginning has what is needed of /proc/PID/stat. */
const MOST_STAT = 4096;

/** Returns the ticks at which a process began; null if there is none, or it has ended. */
export function startOf(libc: Libc, pid: number): string | null {
  const bytes = readFile(libc, `/proc/${pid}/stat`, MOST_STAT);
  return bytes === null ? null : startIn(new TextDecoder().decode(bytes));
}

/** Reads field 22, and 3, the state (proc_pid_stat(5)); field 2 may have spaces and parentheses. */
export function startIn(stat: string): string | null {
  const fromField3 = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const isZombie = fromField3[0] === "Z" || fromField3[0] === "X";
  return isZombie ? null : fromField3[22 - 3] ?? null;
}

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
