import type { ErrnoName } from "../linux/errno.ts";
import { NativeError } from "../native.ts";

/** Numbers of xnu's errno.h. Up to 34 they equal Linux's, except EAGAIN; from 35 on all differ. */
export const DarwinErrno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ENOSPC: 28,
  EPIPE: 32,
  EAGAIN: 35,
  EINPROGRESS: 36,
  ENOPROTOOPT: 42,
  EPROTONOSUPPORT: 43,
  EOPNOTSUPP: 102,
  EAFNOSUPPORT: 47,
  EADDRINUSE: 48,
  EADDRNOTAVAIL: 49,
  ENETDOWN: 50,
  ENETUNREACH: 51,
  ECONNABORTED: 53,
  ECONNRESET: 54,
  ENOBUFS: 55,
  ENOTCONN: 57,
  ETIMEDOUT: 60,
  ECONNREFUSED: 61,
  EHOSTDOWN: 64,
  EHOSTUNREACH: 65,
} as const satisfies Partial<Record<ErrnoName, number>>;

const NUMBERS: Partial<Record<ErrnoName, number>> = DarwinErrno;
const NAMES = new Map<number, string>(
  Object.entries(DarwinErrno).map(([name, number]) => [number, name]),
);

/** Its `is` takes the names of NativeError, so that handlers need not know the system. */
export class DarwinError extends NativeError {
  constructor(call: string, errno: number) {
    super(call, errno);
    this.message = `${call}: ${NAMES.get(errno) ?? `errno ${errno}`}`;
  }

  override is(...names: ErrnoName[]): boolean {
    return names.some((name) => NUMBERS[name] === this.errno);
  }
}

/** @throws {DarwinError} if `result`, which is returned, is -errno */
export function check(call: string, result: number): number {
  if (result < 0) throw new DarwinError(call, -result);
  return result;
}
