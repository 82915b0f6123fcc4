import { Errno, type ErrnoName } from "./linux/errno.ts";

const NAMES = new Map<number, ErrnoName>(
  (Object.keys(Errno) as ErrnoName[]).map((name) => [Errno[name], name]),
);

/** A failed call, with the kernel's errno. Adapters translate it, once. */
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

/** @throws {NativeError} if `result`, which is returned, is -errno */
export function check(call: string, result: number): number {
  if (result < 0) throw new NativeError(call, -result);
  return result;
}

export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}
