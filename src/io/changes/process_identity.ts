import { fileId, readFile } from "../../../ffi/linux/file.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";

/**
 * Identifies a process over the reuse of its number: two processes of one number never began at the
 * same tick. A change belongs to a network namespace, and to a boot of the machine.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from the boot to the process's start: field 22 of /proc/PID/stat (proc(5)). */
  readonly start: string;
  readonly boot: string;
  /** The network namespace. */
  readonly network: string;
}

export function ownIdentity(libc: Libc): ProcessIdentity {
  return {
    pid: Deno.pid,
    start: startOf(libc, Deno.pid) ?? "",
    boot: bootId(libc),
    network: ownNetwork(libc),
  };
}

/** Returns true also for a process that is ended and only waits for its parent. */
export function isDead(libc: Libc, { pid, start, boot }: ProcessIdentity): boolean {
  return boot !== bootId(libc) || startOf(libc, pid) !== start;
}

export function ownNetwork(libc: Libc): string {
  return fileId(libc, "/proc/self/ns/net") ?? "";
}

/** Returns true if there is a process of that number. */
export function exists(libc: Libc, pid: number): boolean {
  return startOf(libc, pid) !== null;
}

export function bootId(libc: Libc): string {
  return textOf(libc, "/proc/sys/kernel/random/boot_id")?.trim() ?? "";
}

/** Returns the start of a process; null if there is no such process, or it has ended. */
export function startOf(libc: Libc, pid: number): string | null {
  const text = textOf(libc, `/proc/${pid}/stat`);
  return text === null ? null : startIn(text);
}

/** By system calls: Deno permits files of /proc only with all of its permissions. */
function textOf(libc: Libc, path: string): string | null {
  const bytes = readFile(libc, path, 4096);
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

/** The program's name, in parentheses, may itself have blanks and parentheses. */
export function startIn(stat: string): string | null {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields; // field 3
  return state === "Z" || state === "X" ? null : fields[19] ?? null;
}
