import type { FileSource } from "../../contract/names.ts";
import { fileStamp, readFile } from "../../../ffi/linux/file.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";

/** Reads by system calls, as Deno's read permission is given up before files are needed. */
export function posixFiles(libc: Libc): FileSource {
  const decoder = new TextDecoder(); // drops a byte order mark
  return {
    stampOf: (path) => fileStamp(libc, path),
    read: (path, most) => {
      const bytes = readFile(libc, path, most);
      return bytes === null ? null : decoder.decode(bytes);
    },
  };
}
