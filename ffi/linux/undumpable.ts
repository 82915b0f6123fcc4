import { LINUX_LIBC, openLibrary } from "../library.ts";

/** prctl(2), linux/prctl.h */
const PR_SET_DUMPABLE = 4;

/**
 * Denies other processes of the same account access to this process's memory (ptrace and
 * /proc/PID/mem), and prevents core dumps when a signal such as SIGQUIT ends it. Root is not
 * restricted, and child processes are not affected. Linux only. Returns true if the kernel
 * accepted it.
 */
export function makeUndumpable(): boolean {
  using library = openLibrary(LINUX_LIBC, {
    prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
  });
  return library.symbols.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n) === 0;
}
