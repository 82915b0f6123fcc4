import { TtunError } from "../../src/base/errors.ts";
import { type Library, LINUX_LIBC, openLibrary } from "../library.ts";
import { cString } from "../native.ts";
import { usize } from "../usize.ts";
import { Errno } from "./errno.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const isArm = Deno.build.arch === "aarch64";

/** Numbers of system calls that not every C library has a function for (asm/unistd.h). */
const SYS = isArm
  ? { getdents64: 61n, renameat2: 276n, statx: 291n, openat2: 437n }
  : { getdents64: 217n, renameat2: 316n, statx: 332n, openat2: 437n };

/** Constants of fcntl.h, of which some differ on arm64. */
export const O = {
  rdonly: 0,
  rdwr: 0o2,
  creat: 0o100,
  excl: 0o200,
  noctty: 0o400,
  nonblock: 0o4000,
  directory: isArm ? 0o40000 : 0o200000,
  nofollow: isArm ? 0o100000 : 0o400000,
  cloexec: 0o2000000,
} as const;

export const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;

/** Of linux/openat2.h. */
const RESOLVE_NO_MAGICLINKS = 0x02n;
const RESOLVE_NO_SYMLINKS = 0x04n;
const RESOLVE_BENEATH = 0x08n;
const OPEN_HOW_SIZE = 24;

/** Of linux/fs.h. */
const RENAME_NOREPLACE = 1;

/** Of sys/file.h. */
const LOCK_EX = 2;
const LOCK_NB = 4;

const UTIME_OMIT = 0x3ffffffen;

/** Variadic functions, which makes no difference to integers on x86-64 and arm64 Linux. */
const TABLE = {
  __errno_location: { parameters: [], result: "pointer" },
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  openat2: {
    name: "syscall",
    parameters: ["i64", "i32", "buffer", "buffer", "usize"],
    result: "i64",
  },
  statx: {
    name: "syscall",
    parameters: ["i64", "i32", "buffer", "i32", "u32", "buffer"],
    result: "i64",
  },
  getdents64: { name: "syscall", parameters: ["i64", "i32", "buffer", "usize"], result: "i64" },
  renameat2: {
    name: "syscall",
    parameters: ["i64", "i32", "buffer", "i32", "buffer", "u32"],
    result: "i64",
  },
  renameat: { parameters: ["i32", "buffer", "i32", "buffer"], result: "i32" },
  linkat: { parameters: ["i32", "buffer", "i32", "buffer", "i32"], result: "i32" },
  unlinkat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "i64" },
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "i64" },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  futimens: { parameters: ["i32", "buffer"], result: "i32" },
  fstatvfs: { parameters: ["i32", "buffer"], result: "i32" },
  flock: { parameters: ["i32", "i32"], result: "i32" },
  umask: { parameters: ["u32"], result: "u32" },
  geteuid: { parameters: [], result: "u32" },
  close: { parameters: ["i32"], result: "i32" },
  // In another thread: a disk may take seconds.
  fdatasync: { parameters: ["i32"], result: "i32", nonblocking: true },
} as const satisfies Deno.ForeignLibraryInterface;

/** Facts about a file, as statx(2) tells them. */
export interface FileStat {
  readonly kind: "file" | "folder" | "link" | "other";
  readonly mode: number;
  readonly size: number;
  /** Device and inode. */
  readonly id: string;
  readonly modified: { readonly seconds: number; readonly nanoseconds: number };
  readonly links: number;
  readonly uid: number;
}

const S_IFMT = 0o170000;
const KINDS: Readonly<Record<number, FileStat["kind"]>> = {
  0o100000: "file",
  0o040000: "folder",
  0o120000: "link",
};

/** Sizes and offsets in bytes, of struct statx (linux/stat.h) and of statvfs on 64-bit systems. */
const STATX_SIZE = 256;
const STATX_BASIC = 0x7ff;
const STATVFS_SIZE = 256;
const F_FRSIZE = 8;
const F_BAVAIL = 32;

/** Offsets in struct linux_dirent64 (getdents64(2)). */
const D_RECLEN = 16;
const D_NAME = 19;
const LISTING = 64 * 1024;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Calls for files below folders that are open. Each returns its result or -errno, for `check` of
 * ffi/native.ts. For the thread that opened it only: errno is per thread, and is read right after
 * the call, as in `Libc`.
 */
export class FileCalls implements Disposable {
  readonly #library: Library<typeof TABLE>;
  readonly #call: Deno.StaticForeignLibraryInterface<typeof TABLE>;
  readonly #errno: Int32Array;

  constructor() {
    this.#library = openLibrary(LINUX_LIBC, TABLE);
    this.#call = this.#library.symbols;
    const at = this.#call.__errno_location();
    if (at === null) throw new TtunError("system", "Cannot use libc: it has no errno");
    this.#errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(at, 4));
  }

  openat(folder: number, path: string, flags: number, mode = 0): number {
    const name = cString(path);
    for (;;) {
      const fd = this.#call.openat(folder, name, flags | O.cloexec, mode);
      if (fd >= 0) return fd;
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  /** Goes through no link, and never above `folder`. -ENOSYS before Linux 5.6, or where forbidden. */
  openBeneath(folder: number, path: string, flags: number): number {
    const how = new Uint8Array(OPEN_HOW_SIZE);
    const view = new DataView(how.buffer);
    view.setBigUint64(0, BigInt(flags | O.cloexec), true);
    view.setBigUint64(16, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS, true);
    const name = cString(path);
    for (;;) {
      const fd = this.#call.openat2(SYS.openat2, folder, name, how, usize(OPEN_HOW_SIZE));
      if (fd >= 0n) return Number(fd);
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR && errno !== Errno.EAGAIN) return -errno; // a rename beside it
    }
  }

  /** Of what has the name itself, or of what a link leads to. */
  statat(folder: number, path: string, follows = false): FileStat | number {
    return this.#stat(folder, path, follows ? 0 : AT_SYMLINK_NOFOLLOW);
  }

  fstat(fd: number): FileStat | number {
    return this.#stat(fd, "", AT_EMPTY_PATH);
  }

  #stat(folder: number, path: string, flags: number): FileStat | number {
    const into = new Uint8Array(STATX_SIZE);
    const done = this.#call.statx(SYS.statx, folder, cString(path), flags, STATX_BASIC, into);
    if (done < 0n) return -this.#errno[0]!;
    return readStat(new DataView(into.buffer));
  }

  /**
   * Returns the names in an open folder, which can be listed once; null for each that is not UTF-8.
   */
  names(folder: number): (string | null)[] | number {
    const names: (string | null)[] = [];
    const into = new Uint8Array(LISTING);
    const view = new DataView(into.buffer);
    for (;;) {
      const got = Number(
        this.#call.getdents64(SYS.getdents64, folder, into, usize(into.length)),
      );
      if (got < 0) return -this.#errno[0]!;
      if (got === 0) return names;
      for (let at = 0; at < got; at += view.getUint16(at + D_RECLEN, true)) {
        const from = at + D_NAME;
        const name = readName(into.subarray(from, into.indexOf(0, from)));
        if (name !== "." && name !== "..") names.push(name);
      }
    }
  }

  mkdirat(folder: number, name: string, mode: number): number {
    return this.#call.mkdirat(folder, cString(name), mode) < 0 ? -this.#errno[0]! : 0;
  }

  unlinkat(folder: number, name: string): number {
    return this.#call.unlinkat(folder, cString(name), 0) < 0 ? -this.#errno[0]! : 0;
  }

  /** Replaces what has the name `to`. */
  rename(folder: number, from: string, to: string): number {
    const done = this.#call.renameat(folder, cString(from), folder, cString(to));
    return done < 0 ? -this.#errno[0]! : 0;
  }

  /** -EEXIST where something has the name `to`. */
  renameNew(folder: number, from: string, to: string): number {
    const [old, next] = [cString(from), cString(to)];
    if (
      this.#call.renameat2(SYS.renameat2, folder, old, folder, next, RENAME_NOREPLACE) >= 0n
    ) return 0;
    const errno = this.#errno[0]!;
    if (errno !== Errno.EINVAL && errno !== Errno.ENOSYS) return -errno;
    // This file system has no such rename: a second name cannot replace one either.
    if (this.#call.linkat(folder, old, folder, next, 0) < 0) return -this.#errno[0]!;
    return this.unlinkat(folder, from);
  }

  /** Reads from a place of a file. */
  pread(fd: number, into: Uint8Array, at: number): number {
    for (;;) {
      const got = this.#call.pread(fd, into as Bytes, usize(into.length), BigInt(at));
      if (got >= 0n) return Number(got);
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  pwrite(fd: number, bytes: Uint8Array, at: number): number {
    for (;;) {
      const took = this.#call.pwrite(fd, bytes as Bytes, usize(bytes.length), BigInt(at));
      if (took >= 0n) return Number(took);
      const errno = this.#errno[0]!;
      if (errno !== Errno.EINTR) return -errno;
    }
  }

  ftruncate(fd: number, size: number): number {
    return this.#call.ftruncate(fd, BigInt(size)) < 0 ? -this.#errno[0]! : 0;
  }

  fchmod(fd: number, mode: number): number {
    return this.#call.fchmod(fd, mode) < 0 ? -this.#errno[0]! : 0;
  }

  /** Sets the time of the last change of its content. */
  setModified(fd: number, { seconds, nanoseconds }: FileStat["modified"]): number {
    const times = new Uint8Array(32);
    const view = new DataView(times.buffer);
    view.setBigInt64(8, UTIME_OMIT, true);
    view.setBigInt64(16, BigInt(seconds), true);
    view.setBigInt64(24, BigInt(nanoseconds), true);
    return this.#call.futimens(fd, times) < 0 ? -this.#errno[0]! : 0;
  }

  /** Bytes that are free for this user on the file system. */
  freeBytes(fd: number): number {
    const into = new Uint8Array(STATVFS_SIZE);
    if (this.#call.fstatvfs(fd, into) < 0) return -this.#errno[0]!;
    const view = new DataView(into.buffer);
    return Number(view.getBigUint64(F_FRSIZE, true) * view.getBigUint64(F_BAVAIL, true));
  }

  /** -EAGAIN where another process has it. */
  lock(fd: number): number {
    return this.#call.flock(fd, LOCK_EX | LOCK_NB) < 0 ? -this.#errno[0]! : 0;
  }

  /** Bits that this process's files do not get. Others get none of these for a moment. */
  umask(): number {
    const mask = this.#call.umask(0o077);
    this.#call.umask(mask);
    return mask;
  }

  /** Waits for the disk in another thread; an error stays in that thread. Resolves to false then. */
  async fdatasync(fd: number): Promise<boolean> {
    return await this.#call.fdatasync(fd) === 0;
  }

  geteuid(): number {
    return this.#call.geteuid();
  }

  close(fd: number): number {
    return this.#call.close(fd) < 0 ? -this.#errno[0]! : 0;
  }

  [Symbol.dispose](): void {
    this.#library[Symbol.dispose]();
  }
}

/** Names may be any bytes. Null = not UTF-8. */
function readName(bytes: Uint8Array): string | null {
  try {
    return UTF8.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

function readStat(view: DataView): FileStat {
  const mode = view.getUint16(28, true);
  return {
    kind: KINDS[mode & S_IFMT] ?? "other",
    mode: mode & 0o7777,
    size: Number(view.getBigUint64(40, true)),
    id: `${view.getUint32(136, true)}:${view.getUint32(140, true)} ${view.getBigUint64(32, true)}`,
    links: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    modified: {
      seconds: Number(view.getBigInt64(112, true)),
      nanoseconds: view.getUint32(120, true),
    },
  };
}
