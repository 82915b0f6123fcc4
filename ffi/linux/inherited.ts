import { check } from "../native.ts";
import { openFile, pipeId } from "./file.ts";
import type { Libc } from "./libc.ts";
import { SOL_SOCKET } from "./socket_options.ts";

/**
 * Descriptors that the process was started with. Their open file descriptions are shared with other
 * processes, which a flag like O_NONBLOCK would change as well, and after this one has ended.
 */

/** Constants of fcntl.h and sys/socket.h: alike on x86-64 and arm64. */
const O_WRONLY = 1;
const O_RDWR = 2;
const O_ACCMODE = 3;
const O_NOCTTY = 0o400;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const F_GETFL = 3;
const SO_TYPE = 3;

/** Constants of poll.h. */
const POLLIN = 0x001;
const POLLOUT = 0x004;

export const STDIN = 0;
export const STDOUT = 1;
export const STDERR = 2;

/** Descriptors below which the runtime's copies are, which it makes at its start. */
const MOST_COPIES = 64;

export type Access = "read" | "write";

/** Another descriptor of the same description; the caller owns it. @throws {NativeError} */
export function duplicate(libc: Libc, fd: number): number {
  const free = check("open", libc.open("/dev/null", O_RDWR | O_CLOEXEC));
  const result = libc.dup3(fd, free, O_CLOEXEC);
  if (result < 0) libc.close(free);
  return check("dup3", result);
}

/**
 * Opens the pipe or terminal of a descriptor once more, as a non-blocking description of its own.
 * Returns -errno where that cannot be done: for a socket, or if it belongs to another user.
 */
export function reopen(libc: Libc, fd: number, access: Access): number {
  const flags = O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (access === "write" ? O_WRONLY : 0);
  return libc.open(`/proc/self/fd/${fd}`, flags);
}

export function isSocket(libc: Libc, fd: number): boolean {
  const length = new Uint8Array(new Uint32Array([4]).buffer);
  return libc.getsockopt(fd, SOL_SOCKET, SO_TYPE, new Uint8Array(4), length) === 0;
}

/** Returns true if there is something to read, room to write, an end or an error. */
export function isReady(libc: Libc, fd: number, access: Access): boolean {
  const entry = new DataView(new ArrayBuffer(8)); // struct pollfd: i32 fd, i16 events, i16 revents
  entry.setInt32(0, fd, true);
  entry.setInt16(4, access === "read" ? POLLIN : POLLOUT, true);
  return libc.poll(new Uint8Array(entry.buffer), 0) > 0;
}

/**
 * Closes what the descriptor leads to, and keeps its number: it leads to /dev/null from now on. So
 * does every copy that the runtime has of a standard descriptor's pipe, whose other end would see
 * no end before. It must not need permissions: `Libc.openRare` comes before.
 */
export function replaceByNull(libc: Libc, fd: number): void {
  const copies = pipeCopies(libc, fd);
  const empty = check("open", libc.open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const copy of copies) libc.dup3(empty, copy, O_CLOEXEC);
  const result = libc.dup3(empty, fd, 0);
  libc.close(empty);
  check("dup3", result);
}

/**
 * Lets go of what a standard descriptor leads to, with all of the runtime's copies of it: they lead
 * to /dev/null from now on. A regular file stays: it holds nobody up. `kept` stays what it is. Needs
 * no permissions.
 */
export function letGo(libc: Libc, fd: number, kept?: number): void {
  const file = openFile(libc, fd);
  if (file?.kind === "regular") return;
  const empty = check("open", libc.open("/dev/null", O_RDWR | O_CLOEXEC));
  for (let other = STDERR + 1; other < MOST_COPIES; other++) {
    if (other !== kept && file !== null && openFile(libc, other)?.id === file.id) {
      libc.dup3(empty, other, O_CLOEXEC);
    }
  }
  const result = libc.dup3(empty, fd, 0);
  libc.close(empty);
  check("dup3", result);
}

function accessOf(libc: Libc, fd: number): number {
  return libc.fcntl(fd, F_GETFL, 0) & O_ACCMODE;
}

/** Returns other descriptors of the same end; none if standard error is one, which goes on. */
function pipeCopies(libc: Libc, fd: number): number[] {
  const id = fd > STDERR ? null : pipeId(libc, fd);
  if (id === null || pipeId(libc, STDERR) === id) return [];
  const way = accessOf(libc, fd);
  const all = Array.from({ length: MOST_COPIES }, (_, other) => other);
  return all.filter((other) =>
    other !== fd && pipeId(libc, other) === id && accessOf(libc, other) === way
  );
}
