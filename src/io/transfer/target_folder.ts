import { TtunError } from "../../base/errors.ts";
import type {
  FileAttributes,
  FoundFile,
  PartFile,
  ReadableFile,
  TargetFolder,
} from "../../contract/files.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { AT_FDCWD, FileCalls, type FileStat, O } from "../../../ffi/linux/file_calls.ts";
import { check, NativeError } from "../../../ffi/native.ts";
import { fileError } from "./file_error.ts";
import { openBelow } from "./open_below.ts";
import { readAt } from "./read_at.ts";

/** Permission bits of a file until it is complete, and those that a folder's maker needs in it. */
const PART_MODE = 0o600;
const OWN_FOLDER = 0o700;

/** Bytes from which on a file waits for the disk before it gets its name. */
const LARGE = 1024 * 1024;

const FOLDER = O.rdonly | O.directory | O.nofollow;

export interface TargetFolderOptions {
  /** The folder, which is there; links to it are followed. */
  readonly path: string;
  /** Returns the name of a file until it is complete. */
  readonly temporaryName: (base: string) => string;
  /** Returns a name as messages have it. */
  readonly shown: (name: string) => string;
}

/** Opens a folder below which files are written (Linux). @throws {TtunError} */
export function openTargetFolder(o: TargetFolderOptions): TargetFolder {
  const calls = new FileCalls();
  try {
    const root = calls.openat(AT_FDCWD, o.path, O.rdonly | O.directory);
    return new PosixTargetFolder(calls, check("openat", root), o);
  } catch (error) {
    calls[Symbol.dispose]();
    throw fileError(error, `open the folder ${o.path}`);
  }
}

/** The folder in which a file is, and the last part of its name. */
interface Place {
  readonly folder: number;
  readonly base: string;
}

class PosixTargetFolder implements TargetFolder {
  readonly #calls: FileCalls;
  readonly #root: number;
  readonly #o: TargetFolderOptions;
  readonly #umask: number;
  readonly #uid: number;
  /** The folder that was used last: files of one come after each other. */
  #last: { readonly name: string; readonly fd: number } | null = null;
  /** Names of folders that were made here. */
  readonly #made = new Set<string>();

  constructor(calls: FileCalls, root: number, o: TargetFolderOptions) {
    this.#calls = calls;
    this.#root = root;
    this.#o = o;
    this.#umask = calls.umask();
    this.#uid = calls.geteuid();
  }

  freeBytes(): number {
    try {
      return check("fstatvfs", this.#calls.freeBytes(this.#root));
    } catch (error) {
      throw fileError(error, `look at the disk of ${this.#o.path}`);
    }
  }

  look(name: string): FoundFile | null {
    return this.#try(name, "look at", ({ folder, base }) => this.#lookAt(folder, base));
  }

  partSize(name: string): number {
    return this.#try(name, "look at", ({ folder, base }) => {
      const found = this.#lookAt(folder, this.#o.temporaryName(base));
      return found?.kind === "file" ? found.size : 0;
    }) ?? 0;
  }

  #lookAt(folder: number, base: string): FoundFile | null {
    const stat = this.#calls.statat(folder, base);
    if (stat === -Errno.ENOENT) return null;
    const { kind, size } = checkStat(stat);
    return { kind: kind === "link" ? "other" : kind, size };
  }

  makeFolder(name: string, mode: number): void {
    this.#do(name, "make the folder", ({ folder, base }) => {
      const made = this.#calls.mkdirat(folder, base, mode | OWN_FOLDER);
      if (made === -Errno.EEXIST) {
        if (checkStat(this.#calls.statat(folder, base)).kind === "folder") return;
      }
      check("mkdirat", made);
      this.#made.add(name);
    });
  }

  openPart(name: string): PartFile {
    return this.#do(name, "write", ({ folder, base }) => {
      const temporary = this.#o.temporaryName(base);
      const flags = O.rdwr | O.creat | O.nofollow | O.noctty | O.nonblock;
      const fd = check("openat", this.#calls.openat(folder, temporary, flags, PART_MODE));
      try {
        check("flock", this.#calls.lock(fd));
        const { kind, size, uid, links, id } = checkStat(this.#calls.fstat(fd));
        const named = this.#calls.statat(folder, temporary);
        if (typeof named === "number" || named.id !== id) {
          // Between its opening and its lock another process may have given it its name.
          throw new NativeError("flock", Errno.EAGAIN);
        }
        if (kind !== "file" || uid !== this.#uid || links !== 1) {
          throw new TtunError(
            "usage",
            `Cannot write ${
              this.#o.shown(name)
            }: its unfinished file ${temporary} is not ttun's own`,
          );
        }
        return this.#part(name, fd, size);
      } catch (error) {
        this.#calls.close(fd);
        throw error;
      }
    });
  }

  #part(name: string, fd: number, size: number): PartFile {
    const place = <T>(doing: string, use: (at: Place) => T) => this.#do(name, doing, use);
    const { temporaryName, shown } = this.#o;
    return new PosixPartFile(this.#calls, fd, size, {
      umask: this.#umask,
      shown: shown(name),
      remove: () =>
        place(
          "remove",
          ({ folder, base }) => void this.#calls.unlinkat(folder, temporaryName(base)),
        ),
      giveName: (overwrite) =>
        place("write", ({ folder, base }) => {
          const from = temporaryName(base);
          check(
            "rename",
            overwrite
              ? this.#calls.rename(folder, from, base)
              : this.#calls.renameNew(folder, from, base),
          );
        }),
    });
  }

  open(name: string): ReadableFile {
    return this.#do(name, "read", ({ folder, base }) => {
      const flags = O.rdonly | O.nofollow | O.noctty | O.nonblock;
      const fd = check("openat", this.#calls.openat(folder, base, flags));
      const words = `read ${this.#o.shown(name)}`;
      return {
        read: (at, into) => readAt(this.#calls, fd, at, into, words),
        [Symbol.dispose]: () => void this.#calls.close(fd),
      };
    });
  }

  finishFolder(name: string, { mode, modified }: FileAttributes): void {
    this.#do(name, "finish the folder", ({ folder, base }) => {
      const fd = check("openat", this.#calls.openat(folder, base, FOLDER));
      try {
        check("futimens", this.#calls.setModified(fd, modified));
        if (this.#made.has(name)) check("fchmod", this.#calls.fchmod(fd, mode & ~this.#umask));
      } finally {
        this.#calls.close(fd);
      }
    });
  }

  /** @throws {TtunError} whose words name the file */
  #do<T>(name: string, doing: string, use: (place: Place) => T): T {
    try {
      return use(this.#placeOf(name));
    } catch (error) {
      throw fileError(error, `${doing} ${this.#o.shown(name)}`);
    }
  }

  /** Like `do`; null where the file's folder is not there. */
  #try<T>(name: string, doing: string, use: (place: Place) => T): T | null {
    try {
      return use(this.#placeOf(name));
    } catch (error) {
      if (error instanceof NativeError && error.is("ENOENT")) return null;
      throw fileError(error, `${doing} ${this.#o.shown(name)}`);
    }
  }

  #placeOf(name: string): Place {
    return { folder: this.#folderOf(name), base: name.slice(name.lastIndexOf("/") + 1) };
  }

  #folderOf(name: string): number {
    const slash = name.lastIndexOf("/");
    if (slash < 0) return this.#root;
    const folder = name.slice(0, slash);
    if (this.#last?.name === folder) return this.#last.fd;
    const fd = check("openat2", openBelow(this.#calls, this.#root, folder, FOLDER));
    this.#forget();
    this.#last = { name: folder, fd };
    return fd;
  }

  #forget(): void {
    if (this.#last !== null) this.#calls.close(this.#last.fd);
    this.#last = null;
  }

  [Symbol.dispose](): void {
    this.#forget();
    this.#calls.close(this.#root);
    this.#calls[Symbol.dispose]();
  }
}

function checkStat(stat: FileStat | number): FileStat {
  if (typeof stat === "number") throw new NativeError("statx", -stat);
  return stat;
}

interface PartPlace {
  readonly umask: number;
  /** Its name, as messages have it. */
  readonly shown: string;
  readonly remove: () => void;
  readonly giveName: (overwrite: boolean) => void;
}

class PosixPartFile implements PartFile {
  readonly size: number;
  readonly #calls: FileCalls;
  readonly #fd: number;
  readonly #place: PartPlace;
  /** Bytes that it has now. */
  #end: number;
  #isOpen = true;

  constructor(calls: FileCalls, fd: number, size: number, place: PartPlace) {
    this.#calls = calls;
    this.#fd = fd;
    this.size = this.#end = size;
    this.#place = place;
  }

  read(at: number, into: Uint8Array): number {
    return readAt(this.#calls, this.#fd, at, into, `read ${this.#place.shown}`);
  }

  write(at: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const rest = done === 0 ? bytes : bytes.subarray(done);
      done += this.#check("pwrite", this.#calls.pwrite(this.#fd, rest, at + done));
    }
    this.#end = Math.max(this.#end, at + bytes.length);
  }

  truncate(size: number): void {
    if (size >= this.#end) return;
    this.#check("ftruncate", this.#calls.ftruncate(this.#fd, size));
    this.#end = size;
  }

  async commit({ mode, modified }: FileAttributes, overwrite: boolean): Promise<void> {
    const { umask, shown, giveName } = this.#place;
    if (this.#end >= LARGE && !(await this.#calls.fdatasync(this.#fd))) {
      throw new TtunError("system", `Cannot write ${shown}: the disk has failed`);
    }
    this.#check("fchmod", this.#calls.fchmod(this.#fd, mode & 0o777 & ~umask));
    this.#check("futimens", this.#calls.setModified(this.#fd, modified));
    giveName(overwrite);
    this.#close();
  }

  discard(): void {
    if (!this.#isOpen) return;
    this.#place.remove();
    this.#close();
  }

  #check(call: string, result: number): number {
    if (result >= 0) return result;
    throw fileError(new NativeError(call, -result), `write ${this.#place.shown}`);
  }

  #close(): void {
    this.#isOpen = false;
    this.#calls.close(this.#fd);
  }

  /** Its bytes stay for another run; a file without a byte does not. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    if (this.#end === 0) this.discard();
    else this.#close();
  }
}
