import type { Libc } from "./libc.ts";

/** Bytes of a link's target that are read. */
const LONGEST_TARGET = 4096;

/** Returns the names in a folder; null if it cannot be read. Needs no Deno permission. */
export function readFolder(libc: Libc, path: string): string[] | null {
  const folder = libc.opendir(path);
  if (folder === null) return null;
  try {
    const names: string[] = [];
    for (;;) {
      const name = libc.readdir(folder);
      if (name === null) return names;
      if (name !== "." && name !== "..") names.push(name);
    }
  } finally {
    libc.closedir(folder);
  }
}

/** Returns the target of a symbolic link; null if it cannot be read. Needs no Deno permission. */
export function readLinkTarget(libc: Libc, path: string): string | null {
  const bytes = new Uint8Array(LONGEST_TARGET);
  const size = libc.readlink(path, bytes);
  return size < 0 ? null : new TextDecoder().decode(bytes.subarray(0, size));
}
