import { LINUX_LIBC, openLibrary } from "../library.ts";
import { SIGSTOP } from "./signal.ts";

export interface JobControl extends Disposable {
  /** True if this process is in the group that the terminal of this descriptor belongs to. */
  isForeground(fd: number): boolean;
  /**
   * Stops this process, and returns when it goes on; at once where it would never: nobody has it go
   * on in an orphaned process group, where the kernel too ignores Ctrl-Z (POSIX, 2.4.3).
   */
  stop(): void;
}

/** @throws {TtunError} `system` if there is no Linux libc */
export function openJobControl(): JobControl {
  const library = openLibrary(LINUX_LIBC, {
    getpgrp: { parameters: [], result: "i32" },
    tcgetpgrp: { parameters: ["i32"], result: "i32" },
    getppid: { parameters: [], result: "i32" },
    getsid: { parameters: ["i32"], result: "i32" },
    kill: { parameters: ["i32", "i32"], result: "i32" },
  });
  const { getpgrp, tcgetpgrp, getppid, getsid, kill } = library.symbols;
  /** A parent of the same group, as sudo is, is taken for one that a shell has started. */
  const isOrphaned = () => {
    const parent = getppid();
    return parent === 0 || getsid(parent) !== getsid(0);
  };
  return {
    isForeground: (fd) => tcgetpgrp(fd) === getpgrp(),
    stop: () => void (isOrphaned() || kill(Deno.pid, SIGSTOP)),
    [Symbol.dispose]: () => library[Symbol.dispose](),
  };
}
