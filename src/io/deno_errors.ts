import { Errno, type ErrnoName } from "../../ffi/linux/errno.ts";
import { NativeError } from "../../ffi/native.ts";

/**
 * Deno gives most errors a `code`, the errno's name on every system; where there is none (ETXTBSY),
 * only the text has the number.
 * @returns null if no system call failed
 */
export function systemError(thrown: unknown, call: string): NativeError | null {
  if (!(thrown instanceof Error)) return null;
  const code = "code" in thrown ? String(thrown.code) : "";
  if (Object.hasOwn(Errno, code)) return new NativeError(call, Errno[code as ErrnoName]);
  const number = /\(os error (\d+)\)/.exec(thrown.message)?.[1];
  return number === undefined ? null : new NativeError(call, Number(number));
}

/** Deno throws a plain Error with this text, on every system, for a name without an address. */
export function isLookupFailure(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.message.startsWith("failed to lookup address");
}
