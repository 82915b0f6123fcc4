import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/**
 * The bytes of an ordinary file, or null where there is none of that name, it is a link, a pipe or
 * a device, longer than `mostBytes`, or `isTrusted` says no to its owner (null: it has none). Never
 * waits for a pipe, and looks at the file that is open: nobody can exchange it after the look.
 * @throws what the operating system or Deno say to looking, opening or reading
 */
export function readRegular(
  path: string,
  mostBytes: number,
  isTrusted: (owner: number | null) => boolean,
): Uint8Array | null {
  // Deno may follow a link before it opens: O_NOFOLLOW alone would be for where it leads to.
  const named = Deno.lstatSync(path);
  if (!named.isFile) return null;
  const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants;
  const fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  try {
    const open = fstatSync(fd);
    const { ino, dev, size, uid } = open;
    const isWindows = Deno.build.os === "windows"; // where files have no such numbers
    if (!isWindows && (ino !== named.ino || dev !== named.dev)) return null;
    if (!open.isFile() || size > mostBytes || !isTrusted(isWindows ? null : uid)) return null;
    const bytes = new Uint8Array(size);
    let have = 0;
    while (have < size) {
      const got = readSync(fd, bytes, have, size - have, have);
      if (got === 0) break;
      have += got;
    }
    return bytes.subarray(0, have);
  } finally {
    closeSync(fd);
  }
}
