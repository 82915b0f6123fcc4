import { type Library, LINUX_LIBC, openLibrary } from "../library.ts";
import { cString } from "../native.ts";
import { usize } from "../usize.ts";

const TABLE = {
  opendir: { parameters: ["buffer"], result: "pointer" },
  readdir: { parameters: ["pointer"], result: "pointer" },
  closedir: { parameters: ["pointer"], result: "i32" },
  readlink: { parameters: ["buffer", "buffer", "usize"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Offset in bytes, of struct dirent of 64-bit systems (readdir(3)). */
const D_NAME = 19;

/** Bytes of a link's target that are read. */
const LONGEST_TARGET = 4096;

/** Lists folders and reads links by system calls, which need no Deno permission for the path. */
export class DirectoryReader implements Disposable {
  readonly #library: Library<typeof TABLE> = openLibrary(LINUX_LIBC, TABLE);

  /** Returns the names in a folder; null if it cannot be read. */
  names(path: string): string[] | null {
    const { opendir, readdir, closedir } = this.#library.symbols;
    const folder = opendir(cString(path));
    if (folder === null) return null;
    try {
      const names: string[] = [];
      for (;;) {
        const entry = readdir(folder);
        if (entry === null) return names;
        const name = Deno.UnsafePointerView.getCString(entry, D_NAME);
        if (name !== "." && name !== "..") names.push(name);
      }
    } finally {
      closedir(folder);
    }
  }

  /** Returns the target of a symbolic link; null if it cannot be read. */
  linkTarget(path: string): string | null {
    const bytes = new Uint8Array(LONGEST_TARGET);
    const size = this.#library.symbols.readlink(cString(path), bytes, usize(bytes.length));
    return size < 0 ? null : new TextDecoder().decode(bytes.subarray(0, size));
  }

  [Symbol.dispose](): void {
    this.#library[Symbol.dispose]();
  }
}
