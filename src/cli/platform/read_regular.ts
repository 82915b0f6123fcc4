/**
 * Returns null if the file does not exist, is a link, a pipe or a device, is longer than
 * `mostBytes`, or if `isTrusted` rejects its owner (null: it has none). Never waits for a pipe. It
 * checks the open file, which cannot be replaced after the check.
 * @throws errors of the operating system or of Deno
 */
export function readRegular(
  path: string,
  mostBytes: number,
  isTrusted: (owner: number | null) => boolean,
): Uint8Array | null {
  // Deno may follow a link before it opens, so O_NOFOLLOW would apply to the link's target.
  const named = Deno.lstatSync(path);
  if (!named.isFile) return null;
  // Its flags need node:fs, which takes 15 ms and 6 MB: only a process that has such a file loads it.
  const { closeSync, constants, fstatSync, openSync, readSync } = globalThis.process
    .getBuiltinModule("node:fs");
  const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants;
  const fd = openSync(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  try {
    const open = fstatSync(fd);
    const { ino, dev, size, uid } = open;
    const isWindows = Deno.build.os === "windows"; // files have no such numbers there
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
