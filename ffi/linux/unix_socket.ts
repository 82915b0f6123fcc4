import { check, NativeError } from "../native.ts";
import type { Libc } from "./libc.ts";
import { AF_UNIX, BACKLOG, guarded, openStreamSocket } from "./socket.ts";
import { SOL_SOCKET } from "./socket_options.ts";

/** sizeof(struct sockaddr_un), its u16 family, and the zero behind the path. */
const SIZE_UN = 110;
const PATH_AT = 2;

/** Constant of asm-generic/socket.h, and size and offset of struct ucred: pid, uid, gid. */
const SO_PEERCRED = 17;
const UCRED_SIZE = 12;
const UCRED_UID = 4;

/** Permissions that the new socket does not get, so that its owner alone can connect. */
const OWNER_ONLY = 0o177;

function unixAddress(path: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SIZE_UN);
  bytes[0] = AF_UNIX;
  const { read } = new TextEncoder().encodeInto(path, bytes.subarray(PATH_AT, SIZE_UN - 1));
  if (read < path.length) throw new RangeError("The path of a unix socket is too long");
  return bytes;
}

/**
 * Returns a connected, non-blocking descriptor.
 * @throws {NativeError} ENOENT, ECONNREFUSED, EACCES; EAGAIN if too many wait to be accepted
 */
export function connectUnix(libc: Libc, path: string): number {
  const address = unixAddress(path);
  const fd = openStreamSocket(libc, AF_UNIX);
  return guarded(libc, fd, () => {
    check("connect", libc.connect(fd, address, address.length));
    return fd;
  });
}

/**
 * Makes the socket's file, with mode 0600 from its first moment on, and listens. The umask is the
 * whole process's and is put back before anything else runs in this thread.
 * @throws {NativeError} EADDRINUSE if the file exists, ENOENT, EACCES, …
 */
export function listenUnix(libc: Libc, path: string): number {
  const address = unixAddress(path);
  const fd = openStreamSocket(libc, AF_UNIX);
  return guarded(libc, fd, () => {
    const before = libc.umask(OWNER_ONLY);
    const bound = libc.bind(fd, address, address.length);
    libc.umask(before);
    check("bind", bound);
    const result = libc.listen(fd, BACKLOG);
    if (result < 0) {
      libc.unlink(path);
      throw new NativeError("listen", -result);
    }
    return fd;
  });
}

/** Returns the user that the other end of an accepted connection had when it connected. */
export function peerUid(libc: Libc, fd: number): number {
  const bytes = new Uint8Array(UCRED_SIZE);
  const length = new Uint32Array([UCRED_SIZE]);
  const lengthBytes = new Uint8Array(length.buffer);
  check("getsockopt", libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, bytes, lengthBytes));
  return new DataView(bytes.buffer).getUint32(UCRED_UID, true);
}
