import { utf8 } from "../../base/bytes.ts";
import { overwriteFile, readFile } from "../../../ffi/linux/file.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";

/** Bytes; settings of the network are numbers and a few words. */
const MOST_BYTES = 4096;

/**
 * Reads a setting by its path in /proc/sys; null if this kernel has none of that name. By system
 * calls: Deno permits files of /proc only with all of its permissions.
 */
export function readSysctl(libc: Libc, path: string): string | null {
  const bytes = readFile(libc, path, MOST_BYTES);
  return bytes === null ? null : new TextDecoder().decode(bytes).trim();
}

/** @throws {NativeError} EACCES, EINVAL */
export function writeSysctl(libc: Libc, path: string, value: string): void {
  overwriteFile(libc, path, utf8(`${value}\n`));
}
