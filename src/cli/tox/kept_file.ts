import { TtunError } from "../../base/errors.ts";
import { fileReason } from "../platform/file_failure.ts";

export interface KeptFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly info: Deno.FileInfo;
}

/**
 * Reads a file of at most so many bytes; null = there is none. Never waits for a pipe. `what`: the
 * words for it in messages. @throws {TtunError} usage, privilege
 */
export function readKept(path: string, most: number, what: string): KeptFile | null {
  try {
    const info = Deno.statSync(path);
    if (info.isFile && info.size <= most) return { bytes: Deno.readFileSync(path), info };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    const message = `Cannot read ${what} ${path}: ${fileReason(error)}`;
    throw new TtunError("privilege", message, { cause: error });
  }
  throw new TtunError("usage", `Cannot use ${what} ${path}: it is no file, or a large one`);
}
