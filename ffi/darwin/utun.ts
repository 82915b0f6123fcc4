import { cString } from "../native.ts";
import { check } from "./errno.ts";
import type { LibSystem } from "./libsystem.ts";

/** Constants of xnu's bsd/sys/socket.h, sys_domain.h, kern_control.h and bsd/net/if_utun.h. */
const PF_SYSTEM = 32;
const AF_SYSTEM = PF_SYSTEM;
const SOCK_DGRAM = 2;
const SYSPROTO_CONTROL = 2;
const AF_SYS_CONTROL = 2;
const CTLIOCGINFO = 0xc064_4e03n; // _IOWR('N', 3, struct ctl_info)
const CTL_INFO_SIZE = 100; // u32 ctl_id, char ctl_name[MAX_KCTL_NAME = 96]
const SOCKADDR_CTL_SIZE = 32;
const UTUN_CONTROL_NAME = "com.apple.net.utun_control";
const UTUN_OPT_IFNAME = 2;
const IFNAMSIZ = 16; // net/if.h

/** Bytes before each packet: its address family, a u32 in network byte order. */
export const UTUN_PREFIX = 4;
export const DARWIN_AF_INET = 2;
export const DARWIN_AF_INET6 = 30;

/** A non-blocking device; each read or write is one whole IP packet behind its prefix. */
export interface Utun {
  readonly fd: number;
  readonly name: string;
}

/**
 * Creates `utunN` for that unit, or the first free one; closing the descriptor removes it.
 * @throws {DarwinError} call `connect`: EPERM (not root), EBUSY (another program has the unit);
 * call `CTLIOCGINFO`: ENOENT (no utun in this kernel); call `socket`: EMFILE, ENFILE
 */
export function openUtun(lib: LibSystem, unit: number | undefined): Utun {
  const fd = check("socket", lib.socket(PF_SYSTEM, SOCK_DGRAM, SYSPROTO_CONTROL));
  try {
    const info = packCtlInfo();
    check("CTLIOCGINFO", lib.ioctl(fd, CTLIOCGINFO, info));
    const id = new DataView(info.buffer).getUint32(0, true);
    check("connect", lib.connect(fd, packSockaddrCtl(id, unit)));
    lib.makeNonBlocking(fd);
    return { fd, name: nameOf(lib, fd) };
  } catch (error) {
    lib.close(fd);
    throw error;
  }
}

/** struct ctl_info for `com.apple.net.utun_control` */
export function packCtlInfo(): Uint8Array<ArrayBuffer> {
  const info = new Uint8Array(CTL_INFO_SIZE);
  info.set(cString(UTUN_CONTROL_NAME), 4);
  return info;
}

/** struct sockaddr_ctl (sys/kern_control.h). Both macOS architectures are little-endian. */
export function packSockaddrCtl(id: number, unit: number | undefined): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SOCKADDR_CTL_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, SOCKADDR_CTL_SIZE); // sc_len
  view.setUint8(1, AF_SYSTEM); // sc_family
  view.setUint16(2, AF_SYS_CONTROL, true); // ss_sysaddr
  view.setUint32(4, id, true); // sc_id
  view.setUint32(8, unit === undefined ? 0 : unit + 1, true); // sc_unit: 0 = the first free one
  return bytes; // sc_reserved[5] stays zero
}

function nameOf(lib: LibSystem, fd: number): string {
  const name = new Uint8Array(IFNAMSIZ);
  const length = new Uint8Array(new Uint32Array([IFNAMSIZ]).buffer);
  const result = lib.getsockopt(fd, SYSPROTO_CONTROL, UTUN_OPT_IFNAME, name, length);
  check("UTUN_OPT_IFNAME", result);
  const end = name.indexOf(0);
  return new TextDecoder().decode(end < 0 ? name : name.subarray(0, end));
}
