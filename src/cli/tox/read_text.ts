import { TtunError } from "../../base/errors.ts";
import { fileReason } from "../platform/file_failure.ts";

/** @throws {TtunError} usage */
export function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound ? "there is no such file" : fileReason(error);
    throw new TtunError("usage", `Cannot read ${path}: ${why}`, { cause: error });
  }
}
