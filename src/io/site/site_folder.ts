import type { SiteEntry, SiteFile, SiteFolder } from "../../contract/site_folder.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { AT_FDCWD, FileCalls, O } from "../../../ffi/linux/file_calls.ts";
import { NativeError } from "../../../ffi/native.ts";
import { fileError } from "../transfer/file_error.ts";
import { openBelow } from "../transfer/open_below.ts";
import { readAt } from "../transfer/read_at.ts";

/** A FIFO or a device must not make an open wait. */
const ANY = O.rdonly | O.noctty | O.nonblock | O.nofollow;
const FOLDER = O.rdonly | O.directory;

/** Failures that mean that there is nothing for a visitor. */
const ABSENT: ReadonlySet<number> = new Set([
  Errno.ENOENT,
  Errno.ENOTDIR,
  Errno.ELOOP,
  Errno.EXDEV,
  Errno.EACCES,
  Errno.EPERM,
  Errno.ENAMETOOLONG,
  Errno.ENXIO,
  Errno.EINVAL,
]);

/** Names of one listing, each of which is looked at. */
const MOST_LISTED = 10_000;

/**
 * The files of a folder (Linux). Links in it are not followed, wherever they lead. The folder is opened
 * by its path each time, so that another one may take its place.
 */
export class OpenSiteFolder implements SiteFolder, Disposable {
  readonly #calls = new FileCalls();
  readonly #path: string;

  /** @throws {TtunError} usage, privilege, if the folder cannot be opened */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#calls.close(this.#root());
    } catch (error) {
      this.#calls[Symbol.dispose]();
      throw error;
    }
  }

  open(path: string): SiteFile | { readonly kind: "folder" } | null {
    const fd = this.#open(path, ANY);
    if (fd === null) return null;
    const stat = this.#calls.fstat(fd);
    if (typeof stat !== "number" && stat.kind === "file") {
      const { size, modified } = stat;
      const doing = `read ${this.#path}/${path}`;
      return {
        ...{ kind: "file", size, modified },
        read: (at, into) => readAt(this.#calls, fd, at, into, doing),
        [Symbol.dispose]: () => void this.#calls.close(fd),
      };
    }
    this.#calls.close(fd);
    if (typeof stat === "number") throw this.#error("statx", stat);
    return stat.kind === "folder" ? { kind: "folder" } : null;
  }

  list(path: string): SiteEntry[] | null {
    const fd = this.#open(path, FOLDER | O.nofollow);
    if (fd === null) return null;
    try {
      const names = this.#calls.names(fd);
      if (typeof names === "number") throw this.#error("getdents64", names);
      // No path can name those that are not UTF-8.
      const shown = names.filter((name) => name !== null && !name.startsWith("."))
        .sort().slice(0, MOST_LISTED) as string[];
      return shown.flatMap((name) => {
        const stat = this.#calls.statat(fd, name);
        if (typeof stat === "number" || (stat.kind !== "file" && stat.kind !== "folder")) return [];
        return [{ name, isFolder: stat.kind === "folder" }];
      });
    } finally {
      this.#calls.close(fd);
    }
  }

  #open(path: string, flags: number): number | null {
    const root = this.#root();
    try {
      const fd = path === ""
        ? this.#calls.openat(root, ".", FOLDER)
        : openBelow(this.#calls, root, path, flags);
      if (fd >= 0) return fd;
      if (ABSENT.has(-fd)) return null;
      throw this.#error("openat", fd);
    } finally {
      this.#calls.close(root);
    }
  }

  #root(): number {
    const fd = this.#calls.openat(AT_FDCWD, this.#path, FOLDER);
    if (fd < 0) throw this.#error("openat", fd);
    return fd;
  }

  #error(call: string, result: number): unknown {
    return fileError(new NativeError(call, -result), `publish the folder ${this.#path}`);
  }

  [Symbol.dispose](): void {
    this.#calls[Symbol.dispose]();
  }
}
