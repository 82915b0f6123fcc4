import { utf8 } from "../base/bytes.ts";
import { TtunError } from "../base/errors.ts";
import { writeAll } from "./write_all.ts";

/**
 * Prints what a command was asked for. A reader that went away (`ttun --help | head -1`) has what
 * it wanted.
 *
 * @throws {TtunError} system when it cannot be written
 */
export function print(text: string): void {
  try {
    writeAll(Deno.stdout, utf8(text));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return;
    const reason = error instanceof Error ? error.message : String(error);
    throw new TtunError("system", `Cannot write to standard output: ${reason}`, { cause: error });
  }
}
