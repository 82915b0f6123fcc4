import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";

/**
 * Prints and waits without blocking signals. If the reader is gone (`ttun --help | head -1`), it
 * has all it wanted.
 * @throws {TtunError} system, if it cannot be written
 * @throws the reason of `signal` if that comes first; the rest may or may not be written
 */
export async function print(text: string, signal?: AbortSignal): Promise<void> {
  await printBytes(utf8(text), signal);
}

/** Prints like `print`. */
export async function printBytes(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  using _registration = signal === undefined ? null : onAbort(signal, reject);
  await Promise.race([writeAll(bytes), aborted]);
}

async function writeAll(bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return;
    const reason = error instanceof Error ? error.message : String(error);
    throw new TtunError("system", `Cannot write to standard output: ${reason}`, { cause: error });
  }
}
