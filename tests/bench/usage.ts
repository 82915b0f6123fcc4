/** Resources that a tunnel's programs use, both ends together. */
import * as proc from "../proc.ts";
import type { TunnelEnd } from "./contender.ts";

/** CPU seconds of all ends together since they were started, in user space and in system calls. */
export function cpuSeconds(ends: readonly TunnelEnd[]): number {
  return ends.reduce((sum, end) => sum + proc.cpuSeconds(pidOf(end)), 0);
}

/** CPU seconds to the microsecond. */
export function runSeconds(ends: readonly TunnelEnd[]): number {
  return ends.reduce((sum, end) => sum + proc.runSeconds(pidOf(end)), 0);
}

/** The most memory (RSS) that one of the ends ever had, in MB; NaN without ends. */
export function peakMb(ends: readonly TunnelEnd[]): number {
  if (ends.length === 0) return NaN;
  return Math.max(...ends.map((end) => proc.peakMb(pidOf(end))));
}

/**
 * @throws where the process is not the program itself: `Host.spawn` goes by way of nsenter and
 * setpriv, which must have become it, and what it does must not be a child's work.
 */
function pidOf({ process: { pid }, program }: TunnelEnd): number {
  const [argv0] = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
  if (argv0 !== program) throw new Error(`Process ${pid} is ${argv0}, not ${program}`);
  return pid;
}
