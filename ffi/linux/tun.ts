import { check, cString, NativeError } from "../native.ts";
import { Errno } from "./errno.ts";
import type { Libc } from "./libc.ts";
import { linkKind } from "./link_kind.ts";

/** Constants of linux/if_tun.h and linux/if.h. */
const TUNSETIFF = 0x4004_54can;
const TUNGETIFF = 0x8004_54d2n;
const TUNSETPERSIST = 0x4004_54cbn;
const TUNSETOWNER = 0x4004_54ccn;
const TUNSETOFFLOAD = 0x4004_54d0n;
const TUNSETVNETHDRSZ = 0x4004_54d8n;
const IFF_TUN = 0x0001;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
/** Attaching makes a new device, or fails with EBUSY. */
const IFF_TUN_EXCL = 0x8000;
const IFF_PERSIST = 0x0800;
/** Bytes of struct virtio_net_hdr, without the fields that later versions added. */
const VNET_HEADER_SIZE = 10;
const IFNAMSIZ = 16;
const IFREQ_SIZE = 40; // name (16), then a union, of which only flags (u16) is used here
const IFREQ_FLAGS = IFNAMSIZ;

const O_RDWR = 0o2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

export const TUN_PATH = "/dev/net/tun";

/** The TUN_F_… bits of linux/if_tun.h, without UFO, which the kernel has removed. */
export const TunOffload = {
  csum: 0x01,
  tso4: 0x02,
  tso6: 0x04,
  tsoEcn: 0x08,
  uso4: 0x20, // together with uso6, since Linux 6.2
  uso6: 0x40,
} as const;

/**
 * A non-blocking device; each read or write is one whole IP packet, with `headers` behind a
 * virtio_net_hdr (10 bytes, host byte order).
 */
export interface Tun {
  readonly fd: number;
  readonly name: string;
  /** The device was there before and stays when the descriptor is closed. */
  readonly persistent: boolean;
}

/**
 * Opens or creates the device. `%d` in the name stands for the first free number. Of an
 * administrator's multi-queue device, one queue is used. The caller owns the descriptor.
 * @throws {NativeError} call `open`: ENOENT, EACCES, ENODEV, …; call `TUNSETIFF`: EPERM (neither
 * root nor the device's owner), EBUSY (another program uses it), EINVAL (not a TUN device), ENOTTY
 * (the file is not the TUN driver's)
 */
export function openTun(libc: Libc, name: string, o: { headers: boolean }): Tun {
  const fd = check("open", libc.open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  const request = new Uint8Array(IFREQ_SIZE);
  request.set(cString(name).subarray(0, IFNAMSIZ - 1));
  const flags = new DataView(request.buffer);
  const wanted = IFF_TUN | IFF_NO_PI | (o.headers ? IFF_VNET_HDR : 0);
  // A persistent device keeps the header size and offloads that its last user set.
  const size = new Uint8Array(new Int32Array([VNET_HEADER_SIZE]).buffer);
  const attach = (wanted: number) => {
    flags.setUint16(IFREQ_FLAGS, wanted, true);
    return libc.ioctl(fd, TUNSETIFF, request);
  };
  try {
    let attached = attach(wanted);
    // A multi-queue device can only be attached to with IFF_MULTI_QUEUE.
    if (attached === -Errno.EINVAL) attached = attach(wanted | IFF_MULTI_QUEUE);
    check("TUNSETIFF", attached);
    check("TUNGETIFF", libc.ioctl(fd, TUNGETIFF, request));
    if (o.headers) check("TUNSETVNETHDRSZ", libc.ioctl(fd, TUNSETVNETHDRSZ, size));
    check("TUNSETOFFLOAD", setOffload(libc, fd, 0));
    const given = new TextDecoder().decode(request.subarray(0, request.indexOf(0)));
    const has = flags.getUint16(IFREQ_FLAGS, true);
    if ((has & IFF_MULTI_QUEUE) !== 0) checkAlone(libc, given);
    return { fd, name: given, persistent: (has & IFF_PERSIST) !== 0 };
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/**
 * The kernel spreads packets over all queues: each of several programs would see only some.
 * @throws {NativeError} EBUSY
 */
function checkAlone(libc: Libc, name: string): void {
  const queues = linkKind(libc, name)?.queues ?? 1;
  if (queues > 1) throw new NativeError("TUNSETIFF", Errno.EBUSY);
}

/** Takes bits of `TunOffload`, at any time. Returns 0 or -errno: -EINVAL for an unknown bit. */
export function setOffload(libc: Libc, fd: number, mask: number): number {
  return libc.ioctlNumber(fd, TUNSETOFFLOAD, BigInt(mask));
}

/**
 * Makes a device that stays until it is removed or the machine boots, and that the user of this
 * number may open. @throws {NativeError} as `openTun`; call `TUNSETIFF`: EBUSY (there is a link of
 * that name)
 */
export function makePersistent(libc: Libc, name: string, owner: number): void {
  attached(libc, name, IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL, (fd) => {
    check("TUNSETOWNER", libc.ioctlNumber(fd, TUNSETOWNER, BigInt(owner)));
    check("TUNSETPERSIST", libc.ioctlNumber(fd, TUNSETPERSIST, 1n));
  });
}

/**
 * Removes a device that stays. @throws {NativeError} as `openTun`; call `TUNSETIFF`: EBUSY (a program
 * has it open)
 */
export function removePersistent(libc: Libc, name: string): void {
  attached(libc, name, IFF_TUN | IFF_NO_PI, (fd) => {
    check("TUNSETPERSIST", libc.ioctlNumber(fd, TUNSETPERSIST, 0n));
  });
}

function attached(libc: Libc, name: string, flags: number, run: (fd: number) => void): void {
  const fd = check("open", libc.open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  try {
    const request = new Uint8Array(IFREQ_SIZE);
    request.set(cString(name).subarray(0, IFNAMSIZ - 1));
    new DataView(request.buffer).setUint16(IFREQ_FLAGS, flags, true);
    check("TUNSETIFF", libc.ioctl(fd, TUNSETIFF, request));
    run(fd);
  } finally {
    libc.close(fd);
  }
}
