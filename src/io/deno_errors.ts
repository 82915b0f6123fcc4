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

/** Text of why `fetch` has failed: versions of Deno have it in the error or in its cause. */
export function fetchFailure(thrown: unknown): string {
  const { message, cause } = thrown instanceof Error ? thrown : new Error(String(thrown));
  return cause instanceof Error ? cause.message : message;
}

/** True if `fetch` has reached nobody, so that the request was not sent. */
export function isConnectFailure(thrown: unknown): boolean {
  return fetchFailure(thrown).includes("client error (Connect)");
}
