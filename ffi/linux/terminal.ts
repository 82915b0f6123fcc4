import { LINUX_LIBC, openLibrary } from "../library.ts";
import { SIGSTOP } from "./signal.ts";

export interface JobControl extends Disposable {
  /** True if this process is in the group that the terminal of this descriptor belongs to. */
  isForeground(fd: number): boolean;
  /** Stops this process, and returns when it goes on. */
  stop(): void;
}

/** @throws {TtunError} `system` if there is no Linux libc */
export function openJobControl(): JobControl {
  const library = openLibrary(LINUX_LIBC, {
    getpgrp: { parameters: [], result: "i32" },
    tcgetpgrp: { parameters: ["i32"], result: "i32" },
    kill: { parameters: ["i32", "i32"], result: "i32" },
  });
  const { getpgrp, tcgetpgrp, kill } = library.symbols;
  return {
    isForeground: (fd) => tcgetpgrp(fd) === getpgrp(),
    stop: () => void kill(Deno.pid, SIGSTOP),
    [Symbol.dispose]: () => library[Symbol.dispose](),
  };
}
