import { check } from "../native.ts";
import { Errno } from "./errno.ts";
import type { Libc } from "./libc.ts";

/** Constants of fcntl.h: alike on x86-64 and arm64. */
const O_WRONLY = 0o1;
const O_NOCTTY = 0o400;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const S_IFMT = 0o170000;
const S_IFSOCK = 0o140000;
const S_IFIFO = 0o010000;
const S_IFREG = 0o100000;

/** Size and offsets in bytes, of struct statx (linux/stat.h). */
const STATX_SIZE = 256;
const STATX_MTIME_CTIME_INO_SIZE = 0x40 | 0x80 | 0x100 | 0x200;
const STATX_TYPE_UID_INO = 0x1 | 0x8 | 0x100;
const STX_UID = 20;
const STX_MODE = 28;
const STX_INO = 32;
const STX_SIZE = 40;
const STX_CTIME = 96;
const STX_MTIME = 112;
const STX_DEVICE = 136;

const PIECE = 65_536;

/**
 * Returns a text that changes with the file (device, inode, size and times); null if there is none.
 * Needs no Deno permission, so it works after they were given up.
 */
export function fileStamp(libc: Libc, path: string): string | null {
  const bytes = new Uint8Array(STATX_SIZE);
  const result = libc.statx(AT_FDCWD, path, 0, STATX_MTIME_CTIME_INO_SIZE, bytes);
  // Without statx, every call reports an existing file as changed.
  if (result === -Errno.ENOSYS) return readFile(libc, path, 1) === null ? null : `${unknown++}`;
  if (result < 0) return result === -Errno.EACCES ? "denied" : null;
  const view = new DataView(bytes.buffer);
  const time = (at: number) => `${view.getBigInt64(at, true)}.${view.getUint32(at + 8, true)}`;
  const device = `${view.getUint32(STX_DEVICE, true)}:${view.getUint32(STX_DEVICE + 4, true)}`;
  const [ino, size] = [view.getBigUint64(STX_INO, true), view.getBigUint64(STX_SIZE, true)];
  return `${device} ${ino} ${size} ${time(STX_MTIME)} ${time(STX_CTIME)}`;
}

let unknown = 0;

/** Returns device and inode of the file or link's target; null if there is none. */
export function fileId(libc: Libc, path: string): string | null {
  const bytes = new Uint8Array(STATX_SIZE);
  const result = libc.statx(AT_FDCWD, path, 0, STATX_TYPE_UID_INO, bytes);
  if (result === -Errno.ENOSYS) return "unknown"; // musl before 1.2.5
  if (result < 0) return null;
  return idOf(new DataView(bytes.buffer));
}

/**
 * Writes over the beginning of a file that exists, as a setting of the kernel's does. Needs no Deno
 * permission. @throws {NativeError} ENOENT, EACCES, EPERM, EINVAL
 */
export function overwriteFile(libc: Libc, path: string, bytes: Uint8Array): void {
  const fd = check("open", libc.open(path, O_WRONLY | O_CLOEXEC));
  try {
    check("write", libc.write(fd, bytes));
  } finally {
    libc.close(fd);
  }
}

export interface SocketFile {
  readonly uid: number;
  /** Device and inode: another file of the same path has another one. */
  readonly id: string;
}

/** Returns null if `path` itself is no socket, or if the C library cannot tell (musl before 1.2.5). */
export function socketFile(libc: Libc, path: string): SocketFile | null {
  const bytes = new Uint8Array(STATX_SIZE);
  if (libc.statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE_UID_INO, bytes) < 0) return null;
  const view = new DataView(bytes.buffer);
  if ((view.getUint16(STX_MODE, true) & S_IFMT) !== S_IFSOCK) return null;
  return { uid: view.getUint32(STX_UID, true), id: idOf(view) };
}

export interface OpenFile {
  /** Device and inode. */
  readonly id: string;
  readonly kind: "pipe" | "regular" | "other";
}

/** Returns null if the descriptor is not open, or if the C library cannot tell. */
export function openFile(libc: Libc, fd: number): OpenFile | null {
  const bytes = new Uint8Array(STATX_SIZE);
  if (libc.statx(fd, "", AT_EMPTY_PATH, STATX_TYPE_UID_INO, bytes) < 0) return null;
  const view = new DataView(bytes.buffer);
  const type = view.getUint16(STX_MODE, true) & S_IFMT;
  return {
    id: idOf(view),
    kind: type === S_IFIFO ? "pipe" : type === S_IFREG ? "regular" : "other",
  };
}

/** Returns device and inode of an open pipe; null if it is none, or the C library cannot tell. */
export function pipeId(libc: Libc, fd: number): string | null {
  const file = openFile(libc, fd);
  return file?.kind === "pipe" ? file.id : null;
}

function idOf(view: DataView): string {
  const device = `${view.getUint32(STX_DEVICE, true)}:${view.getUint32(STX_DEVICE + 4, true)}`;
  return `${device} ${view.getBigUint64(STX_INO, true)}`;
}

/** Returns the first `most` bytes; null if unreadable. Does not block on a FIFO. */
export function readFile(
  libc: Pick<Libc, "open" | "read" | "close">,
  path: string,
  most: number,
): Uint8Array | null {
  const fd = libc.open(path, O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return null;
  try {
    let bytes = new Uint8Array(Math.min(most, PIECE));
    let have = 0;
    for (;;) {
      const rest = bytes.subarray(have);
      const got = libc.read(fd, rest);
      if (got <= 0) return got < 0 && have === 0 ? null : bytes.subarray(0, have);
      have += got;
      if (have === most) return bytes;
      if (have < bytes.length) continue;
      const larger = new Uint8Array(Math.min(most, 2 * bytes.length));
      larger.set(bytes);
      bytes = larger;
    }
  } finally {
    libc.close(fd);
  }
}
