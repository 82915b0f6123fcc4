import { DARWIN_LIBC, LINUX_LIBC, openLibrary } from "../library.ts";

/**
 * Ends the process and all its threads at once (_exit(2)), also on macOS. exit(3) would first run
 * the clean-up of libraries, OpenSSL's among them, while a Worker's thread that is on its way out
 * still uses their memory: glibc then aborts ("corrupted size vs. prev_size").
 * @throws {TtunError} system, if the C library cannot be opened
 */
export function exitAtOnce(code: number): void {
  const names = Deno.build.os === "darwin" ? DARWIN_LIBC : LINUX_LIBC;
  using library = openLibrary(names, { _exit: { parameters: ["i32"], result: "void" } });
  library.symbols._exit(code);
}
