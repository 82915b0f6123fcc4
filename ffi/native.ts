import { Errno, type ErrnoName } from "./linux/errno.ts";

const NAMES = new Map<number, ErrnoName>(
  (Object.keys(Errno) as ErrnoName[]).map((name) => [Errno[name], name]),
);

/** A failed system call: its name and the kernel's errno. Adapters translate it, once. */
export class NativeError extends Error {
  override readonly name = "NativeError";
  readonly call: string;
  readonly errno: number;

  constructor(call: string, errno: number) {
    super(`${call}: ${NAMES.get(errno) ?? `errno ${errno}`}`);
    this.call = call;
    this.errno = errno;
  }

  is(...names: ErrnoName[]): boolean {
    return names.some((name) => Errno[name] === this.errno);
  }
}

/**
 * Returns the result of the call named `call`.
 * @throws {NativeError} if the result is -errno
 */
export function check(call: string, result: number): number {
  if (result < 0) throw new NativeError(call, -result);
  return result;
}

/** Encodes `text` as a NUL-terminated C string (UTF-8). */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}
