import type { ErrnoName } from "../linux/errno.ts";
import { NativeError } from "../native.ts";

/**
 * Numbers of winerror.h (Microsoft, "Windows Sockets Error Codes") by their names elsewhere: most
 * are those of 4.2BSD and 10 000.
 */
const NUMBERS: Partial<Record<ErrnoName, readonly number[]>> = {
  EINTR: [10_004],
  EBADF: [10_009, 10_038], // WSAENOTSOCK too
  EACCES: [10_013],
  EFAULT: [10_014],
  EINVAL: [10_022],
  EMFILE: [10_024],
  EAGAIN: [10_035],
  EINPROGRESS: [10_036],
  EMSGSIZE: [10_040],
  ENOPROTOOPT: [10_042],
  EPROTONOSUPPORT: [10_043],
  EOPNOTSUPP: [10_045],
  EAFNOSUPPORT: [10_047],
  EADDRINUSE: [10_048],
  EADDRNOTAVAIL: [10_049],
  ENETDOWN: [10_050],
  ENETUNREACH: [10_051],
  ECONNABORTED: [10_053],
  ECONNRESET: [10_052, 10_054], // WSAENETRESET too
  ENOBUFS: [10_055],
  ENOTCONN: [10_057],
  EPIPE: [10_058], // WSAESHUTDOWN
  ETIMEDOUT: [10_060],
  ECONNREFUSED: [10_061],
  EHOSTDOWN: [10_064],
  EHOSTUNREACH: [10_065],
};

const NAMES = new Map<number, string>(
  Object.entries(NUMBERS).flatMap(([name, numbers]) => numbers.map((number) => [number, name])),
);

/** Its `is` takes the names of NativeError, so that handlers need not know the system. */
export class WinsockError extends NativeError {
  constructor(call: string, code: number) {
    super(call, code);
    this.message = `${call}: ${NAMES.get(code) ?? `error ${code}`}`;
  }

  override is(...names: ErrnoName[]): boolean {
    return names.some((name) => NUMBERS[name]?.includes(this.errno) === true);
  }
}
