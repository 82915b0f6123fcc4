import { DARWIN_LIBC, LINUX_LIBC, openLibrary } from "../library.ts";

const F_GETFD = 1;
const FD_CLOEXEC = 1;

/** Constants of sys/socket.h on Linux and on macOS. */
const LINUX = { SOL_SOCKET: 1, SO_ACCEPTCONN: 30 };
const DARWIN = { SOL_SOCKET: 0xffff, SO_ACCEPTCONN: 0x0002 };

/** Highest descriptor to look at, exclusive: a runtime that has just started has no more. */
const MOST = 256;

/**
 * Returns true if this process itself has opened a listening socket. Inherited sockets do not
 * count: they lack close-on-exec, or they would not have survived the exec.
 */
export function hasOwnListener(): boolean {
  const isLinux = Deno.build.os === "linux";
  const { SOL_SOCKET, SO_ACCEPTCONN } = isLinux ? LINUX : DARWIN;
  using library = openLibrary(isLinux ? LINUX_LIBC : DARWIN_LIBC, {
    // int fcntl(int fd, int command); only a third argument would make the call variadic
    fcntl: { parameters: ["i32", "i32"], result: "i32" },
    // int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
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
