import type { Libc } from "../../../ffi/linux/libc.ts";
import { type SocketFile, socketFile } from "../../../ffi/linux/file.ts";
import { connectUnix, listenUnix } from "../../../ffi/linux/unix_socket.ts";
import { NativeError } from "../../../ffi/native.ts";

/** A listening socket and the file that it was bound to. */
export interface BoundSocket {
  readonly fd: number;
  /** Null if the system cannot tell: the file is left behind then. */
  readonly file: SocketFile | null;
}

/**
 * Listens at a path. A file that is in the way is removed only if it is a socket of this user that
 * refuses connections, as a process leaves behind that was killed.
 * @throws {NativeError} EADDRINUSE, ENOENT, EACCES, …
 */
export function bindPath(libc: Libc, path: string): BoundSocket {
  let fd: number;
  try {
    fd = listenUnix(libc, path);
  } catch (error) {
    const isTaken = error instanceof NativeError && error.is("EADDRINUSE");
    if (!isTaken || !removeStale(libc, path)) throw error;
    fd = listenUnix(libc, path);
  }
  return { fd, file: socketFile(libc, path) };
}

/** Removes a file only as `bindPath` does; returns true if it did. */
export function removeStale(libc: Libc, path: string): boolean {
  return isStale(libc, path) && libc.unlink(path) === 0;
}

function isStale(libc: Libc, path: string): boolean {
  const file = socketFile(libc, path);
  if (file === null || file.uid !== libc.geteuid()) return false;
  try {
    libc.close(connectUnix(libc, path));
    return false;
  } catch (error) {
    return error instanceof NativeError && error.is("ECONNREFUSED") &&
      socketFile(libc, path)?.id === file.id;
  }
}

/** Removes the file unless another one has taken its place. Returns false if it stays behind. */
export function removePath(libc: Libc, path: string, { file }: BoundSocket): boolean {
  const now = socketFile(libc, path);
  if (file === null || now === null) return file !== null;
  return now.id !== file.id || libc.unlink(path) === 0;
}
