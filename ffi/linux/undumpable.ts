import { LINUX_LIBC, openLibrary } from "../library.ts";

/** This constant is of linux/prctl.h (prctl(2)). */
const PR_SET_DUMPABLE = 4;

/**
 * Keeps the account's other processes from this one's memory (ptrace, /proc/PID/mem) and prevents
 * core dumps. Does not restrict root or affect child processes. Returns false if refused.
 */
export function makeUndumpable(): boolean {
  using library = openLibrary(LINUX_LIBC, {
    prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
  });
  return library.symbols.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n) === 0;
}
