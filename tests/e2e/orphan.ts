import { until } from "./forward_pair.ts";

/** A process that is no child of the test's; disposal ends it, and fails if it stays. */
export interface Orphan extends AsyncDisposable {
  readonly pid: number;
}

export function orphan(pid: number): Orphan {
  return {
    pid,
    [Symbol.asyncDispose]: async () => {
      if (isThere(pid)) Deno.kill(pid, "SIGTERM");
      await until(() => !isThere(pid), () => `process ${pid} does not end`);
    },
  };
}

/** False for a zombie too: nobody may wait for orphans here. */
export function isThere(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
