import { TtunError } from "../../base/errors.ts";
import type { FileAttributes, ListedFile, SourceFile } from "../../contract/files.ts";
import { AT_FDCWD, FileCalls, type FileStat, O } from "../../../ffi/linux/file_calls.ts";
import { NativeError } from "../../../ffi/native.ts";
import { fileError } from "./file_error.ts";
import { openBelow } from "./open_below.ts";
import { readAt } from "./read_at.ts";

/** A FIFO or a device must not make an open wait. */
const FILE = O.rdonly | O.noctty | O.nonblock;

export interface SourcePath {
  /** Absolute. */
  readonly path: string;
  /** Under which it is sent: the last part of the path. */
  readonly name: string;
}

export interface SourceOptions {
  readonly paths: readonly SourcePath[];
  /** Links are followed; without it they are refused. */
  readonly follows: boolean;
  /** Returns a name as messages have it. */
  readonly shown: (name: string) => string;
}

/** Files and folders of this machine that are to be sent. Disposed of, its files cannot be opened. */
export class SourceFiles implements Disposable {
  readonly #calls = new FileCalls();
  readonly #o: SourceOptions;
  /** Folders that were named, which stay open. */
  readonly #roots: number[] = [];

  /** @throws {TtunError} system */
  constructor(o: SourceOptions) {
    this.#o = o;
  }

  /**
   * Lists all, a folder before what is in it, in the order of their names.
   * @throws {TtunError} for links, devices, and what cannot be read
   */
  *list(): Generator<ListedFile> {
    for (const { path, name } of this.#o.paths) {
      const at: Place = { folder: AT_FDCWD, part: path, name, inRoot: "" };
      const stat = this.#statOf(at);
      if (stat.kind !== "folder") {
        yield this.#file(stat, name, (flags) => this.#calls.openat(AT_FDCWD, path, flags));
        continue;
      }
      const root = this.#openFolder(at);
      this.#roots.push(root);
      yield this.#folder(root, name);
      yield* this.#listFolder(root, { name, inRoot: "" }, root, []);
    }
  }

  *#listFolder(
    folder: number,
    { name, inRoot }: { readonly name: string; readonly inRoot: string },
    root: number,
    above: readonly string[],
  ): Generator<ListedFile> {
    const { id } = this.#checkStat(this.#calls.fstat(folder), name);
    if (above.includes(id)) throw refusal(this.#o.shown(name), "a link leads back to its folder");
    for (const part of this.#namesIn(folder, name)) {
      const at = {
        folder,
        part,
        name: `${name}/${part}`,
        inRoot: inRoot === "" ? part : `${inRoot}/${part}`,
      };
      const stat = this.#statOf(at);
      if (stat.kind !== "folder") {
        yield this.#file(stat, at.name, (flags) => this.#openInRoot(root, at.inRoot, flags));
        continue;
      }
      const fd = this.#openFolder(at);
      try {
        yield this.#folder(fd, at.name);
        yield* this.#listFolder(fd, at, root, [...above, id]);
      } finally {
        this.#calls.close(fd);
      }
    }
  }

  #namesIn(folder: number, name: string): string[] {
    // A descriptor of its own: the place in the listing belongs to the open folder.
    const fd = this.#check(this.#calls.openat(folder, ".", O.rdonly | O.directory), "openat", name);
    try {
      const names = this.#calls.names(fd);
      if (typeof names === "number") throw this.#error("getdents64", names, name);
      if (names.includes(null)) {
        throw refusal(this.#o.shown(name), "a name in it is not UTF-8");
      }
      return (names as string[]).sort();
    } finally {
      this.#calls.close(fd);
    }
  }

  #openInRoot(root: number, path: string, flags: number): number {
    return this.#o.follows
      ? this.#calls.openat(root, path, flags)
      : openBelow(this.#calls, root, path, flags);
  }

  /** @throws {TtunError} for links that are not followed, and for devices */
  #statOf({ folder, part, name }: Place): FileStat {
    const { follows, shown } = this.#o;
    const stat = this.#checkStat(this.#calls.statat(folder, part, follows), name);
    if (stat.kind === "link") {
      throw refusal(shown(name), "it is a link; --follow sends what links lead to");
    }
    if (stat.kind === "other") {
      throw refusal(shown(name), "it is no file, but a device, a socket or the like");
    }
    return stat;
  }

  #openFolder({ folder, part, name }: Place): number {
    const flags = O.rdonly | O.directory | (this.#o.follows ? 0 : O.nofollow);
    return this.#check(this.#calls.openat(folder, part, flags), "openat", name);
  }

  #folder(fd: number, name: string): ListedFile {
    const { mode, modified } = this.#checkStat(this.#calls.fstat(fd), name);
    const open = () => {
      throw new TtunError("internal", "Cannot open a folder as a file");
    };
    return { kind: "folder", name, size: 0, mode, modified, open };
  }

  #file(stat: FileStat, name: string, openFile: (flags: number) => number): ListedFile {
    const { mode, modified, size } = stat;
    const open = (): SourceFile => {
      const flags = FILE | (this.#o.follows ? 0 : O.nofollow);
      const fd = this.#check(openFile(flags), "open", name);
      const isAsListed = () => {
        const now = this.#calls.fstat(fd);
        return typeof now !== "number" && isSame(now, stat);
      };
      return {
        read: (at, into) => readAt(this.#calls, fd, at, into, `read ${this.#o.shown(name)}`),
        isUnchanged: isAsListed,
        [Symbol.dispose]: () => void this.#calls.close(fd),
      };
    };
    return { kind: "file", name, size, mode, modified, open };
  }

  #checkStat(stat: FileStat | number, name: string): FileStat {
    if (typeof stat === "number") throw this.#error("statx", stat, name);
    return stat;
  }

  #check(result: number, call: string, name: string): number {
    if (result < 0) throw this.#error(call, result, name);
    return result;
  }

  #error(call: string, result: number, name: string): unknown {
    return fileError(new NativeError(call, -result), `read ${this.#o.shown(name)}`);
  }

  [Symbol.dispose](): void {
    for (const root of this.#roots) this.#calls.close(root);
    this.#calls[Symbol.dispose]();
  }
}

interface Place {
  readonly folder: number;
  readonly part: string;
  /** Under which it is sent. */
  readonly name: string;
  readonly inRoot: string;
}

function isSame(now: FileStat, listed: FileStat & FileAttributes): boolean {
  const [a, b] = [now.modified, listed.modified];
  return now.kind === "file" && now.id === listed.id && now.size === listed.size &&
    a.seconds === b.seconds && a.nanoseconds === b.nanoseconds;
}

function refusal(name: string, why: string): TtunError {
  return new TtunError("usage", `Cannot send ${name}: ${why}`);
}
