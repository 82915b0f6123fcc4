/**
 * Identifies a process over the reuse of its number: two processes of one number never began at the
 * same tick. A change belongs to a network namespace, and nothing outlives the boot.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from the boot to the process's start: field 22 of /proc/PID/stat (proc(5)). */
  readonly start: string;
  readonly boot: string;
  /** The network namespace, as /proc names it. */
  readonly network: string;
}

export function ownIdentity(): ProcessIdentity {
  return {
    pid: Deno.pid,
    start: startOf(Deno.pid) ?? "",
    boot: bootId(),
    network: ownNetwork(),
  };
}

/** Returns true also for a process that is ended and only waits for its parent. */
export function isDead({ pid, start, boot }: ProcessIdentity): boolean {
  return boot !== bootId() || startOf(pid) !== start;
}

export function bootId(): string {
  return Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
}

export function ownNetwork(): string {
  return Deno.readLinkSync("/proc/self/ns/net");
}

/** Returns null if there is no such process, or it has ended. */
function startOf(pid: number): string | null {
  let text: string;
  try {
    text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    if (error instanceof Error && /os error 3\b/.test(error.message)) return null; // ESRCH
    throw error;
  }
  return startIn(text);
}

/** The program's name, in parentheses, may itself have blanks and parentheses. */
export function startIn(stat: string): string | null {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields; // field 3
  return state === "Z" || state === "X" ? null : fields[19] ?? null;
}
