import { DARWIN_LIBC, LINUX_LIBC, openLibrary } from "../library.ts";

const F_GETFD = 1;
const FD_CLOEXEC = 1;

/** socket.h of Linux and of macOS */
const LINUX = { SOL_SOCKET: 1, SO_ACCEPTCONN: 30 };
const DARWIN = { SOL_SOCKET: 0xffff, SO_ACCEPTCONN: 0x0002 };

/** A runtime that has only just begun has no more descriptors than these. */
const MOST = 256;

/**
 * True when this process itself has opened a listening socket. An inherited one does not count: it
 * has no close-on-exec flag, or it would have been closed at the start.
 */
export function hasOwnListener(): boolean {
  const isLinux = Deno.build.os === "linux";
  const { SOL_SOCKET, SO_ACCEPTCONN } = isLinux ? LINUX : DARWIN;
  using library = openLibrary(isLinux ? LINUX_LIBC : DARWIN_LIBC, {
    // int fcntl(int fd, int command); with a third argument it would be variadic
    fcntl: { parameters: ["i32", "i32"], result: "i32" },
    // int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
    getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  });
  const { fcntl, getsockopt } = library.symbols;
  const value = new Int32Array(1);
  const length = new Uint32Array(1);
  for (let fd = 3; fd < MOST; fd++) {
    length[0] = value.byteLength;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, value, length) !== 0) continue; // no socket
    if (value[0] !== 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) !== 0) return true;
  }
  return false;
}
