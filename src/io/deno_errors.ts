import { Errno, type ErrnoName } from "../../ffi/linux/errno.ts";
import { NativeError } from "../../ffi/native.ts";

/**
 * Deno's errors as errors of system calls. It gives most of them a `code`, the errno's name on every
 * system; where there is none (ETXTBSY), only their text has the number. This is the one place that
 * reads it.
 * @returns null if no system call failed
 */
export function systemError(thrown: unknown, call: string): NativeError | null {
  if (!(thrown instanceof Error)) return null;
  const code = "code" in thrown ? String(thrown.code) : "";
  if (Object.hasOwn(Errno, code)) return new NativeError(call, Errno[code as ErrnoName]);
  const number = /\(os error (\d+)\)/.exec(thrown.message)?.[1];
  return number === undefined ? null : new NativeError(call, Number(number));
}

/**
 * Returns true if getaddrinfo found no address for a name. Deno throws a plain Error then, without a
 * code, and with a text that begins like this on every system.
 */
export function isLookupFailure(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.message.startsWith("failed to lookup address");
}
