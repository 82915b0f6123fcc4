import { LINUX_LIBC, openLibrary } from "../library.ts";

/** prctl(2), linux/prctl.h */
const PR_SET_DUMPABLE = 4;

/**
 * Keeps other processes of the same account from this one's memory, by ptrace and /proc/PID/mem,
 * and the kernel from writing it down where a signal such as SIGQUIT ends it. Root is not kept from
 * anything, and programs that are started from here are as ever. Linux only.
 * @returns whether the kernel has taken it
 */
export function makeUndumpable(): boolean {
  using library = openLibrary(LINUX_LIBC, {
    prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
  });
  return library.symbols.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n) === 0;
}
