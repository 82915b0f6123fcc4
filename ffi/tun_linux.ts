import { NativeError } from "./errno.ts";
import { cString, type Libc } from "./libc.ts";

/** linux/if_tun.h and linux/if.h */
const TUNSETIFF = 0x4004_54can;
const TUNGETIFF = 0x8004_54d2n;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
const IFF_PERSIST = 0x0800;
const IFNAMSIZ = 16;
const IFREQ_SIZE = 40; // name (16), then a union of which flags (u16) is used here
const IFREQ_FLAGS = IFNAMSIZ;

const O_RDWR = 0o2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

export const TUN_PATH = "/dev/net/tun";

/** An open TUN device: whole IP packets without prefix, one to a read or write, non-blocking. */
export interface Tun {
  readonly fd: number;
  readonly name: string;
  /** An administrator made it: it stays when the descriptor is closed. */
  readonly persistent: boolean;
}

/**
 * Opens the device called `name`, making it if it is not there. A `%d` in the name is the first
 * free number. The caller owns the descriptor.
 * @throws {NativeError} call `open`: ENOENT, EACCES, ENODEV; call `TUNSETIFF`: EPERM (not root, or
 * not the device's owner), EBUSY (another program has it), EINVAL (not a TUN device)
 */
export function openTun(libc: Libc, name: string): Tun {
  const fd = libc.check("open", libc.call.open(cString(TUN_PATH), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  const request = new Uint8Array(IFREQ_SIZE);
  request.set(cString(name).subarray(0, IFNAMSIZ - 1));
  const flags = new DataView(request.buffer);
  flags.setUint16(IFREQ_FLAGS, IFF_TUN | IFF_NO_PI, true);
  for (const [call, number] of [["TUNSETIFF", TUNSETIFF], ["TUNGETIFF", TUNGETIFF]] as const) {
    if (libc.call.ioctl(fd, number, request) < 0) {
      const error = new NativeError(call, libc.errno);
      libc.call.close(fd);
      throw error;
    }
  }
  return {
    fd,
    name: new TextDecoder().decode(request.subarray(0, request.indexOf(0))),
    persistent: (flags.getUint16(IFREQ_FLAGS, true) & IFF_PERSIST) !== 0,
  };
}
