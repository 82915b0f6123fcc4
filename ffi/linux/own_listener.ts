import { DARWIN_LIBC, LINUX_LIBC, openLibrary } from "../library.ts";

const F_GETFD = 1;
const FD_CLOEXEC = 1;

const LINUX = { SOL_SOCKET: 1, SO_ACCEPTCONN: 30 };
const DARWIN = { SOL_SOCKET: 0xffff, SO_ACCEPTCONN: 0x0002 };

/** Descriptors below this are looked at; a runtime that has just started has no higher ones. */
const MOST = 256;

/**
 * Tells if this process itself opened a listener. Inherited sockets do not count: they lack
 * close-on-exec, or they would not have survived the exec.
 */
export function hasOwnListener(): boolean {
  const isLinux = Deno.build.os === "linux";
  const { SOL_SOCKET, SO_ACCEPTCONN } = isLinux ? LINUX : DARWIN;
  using library = openLibrary(isLinux ? LINUX_LIBC : DARWIN_LIBC, {
    // This call has no third argument, which would make it variadic.
    fcntl: { parameters: ["i32", "i32"], result: "i32" },
    getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  });
  const { fcntl, getsockopt } = library.symbols;
  const value = new Int32Array(1);
  const length = new Uint32Array(1);
  for (let fd = 3; fd < MOST; fd++) {
    length[0] = value.byteLength;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, value, length) !== 0) continue; // not a socket
    if (value[0] !== 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) !== 0) return true;
  }
  return false;
}
