/** What a tunnel's programs take of the machine, from /proc: whole processes, with all threads. */
import type { TunnelEnd } from "./contender.ts";

/** Of the times in /proc, on every Linux (USER_HZ). */
const TICKS_PER_SECOND = 100;

/** CPU seconds of all ends together since they were started, in user space and in system calls. */
export function cpuSeconds(ends: readonly TunnelEnd[]): number {
  return ends.map((end) => {
    // The name in brackets may hold anything; behind it, the fields 14 and 15 are utime and stime.
    const fields = readProc(end, "stat").replace(/^.*\) /s, "").split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }).reduce((sum, seconds) => sum + seconds, 0);
}

/** The most memory (RSS) that one of the ends ever had, in MB; NaN without ends. */
export function peakMb(ends: readonly TunnelEnd[]): number {
  if (ends.length === 0) return NaN;
  return Math.max(
    ...ends.map((end) => Number(/VmHWM:\s+(\d+) kB/.exec(readProc(end, "status"))![1]) / 1000),
  );
}

/**
 * @throws where the process is not the program itself: `Host.spawn` goes by way of nsenter and
 * setpriv, which must have become it, and what it does must not be a child's work.
 */
function readProc({ process, program }: TunnelEnd, file: string): string {
  const folder = `/proc/${process.pid}`;
  const [argv0] = Deno.readTextFileSync(`${folder}/cmdline`).split("\0");
  if (argv0 !== program) throw new Error(`Process ${process.pid} is ${argv0}, not ${program}`);
  return Deno.readTextFileSync(`${folder}/${file}`);
}
