import type { HostPort } from "../../src/base/addr.ts";
import { check, cString } from "../native.ts";
import { Errno } from "./errno.ts";
import type { Libc } from "./libc.ts";
import { AF_INET6, SOCKADDR_ROOM, writeSockaddr } from "./sockaddr.ts";
import { guarded, IPPROTO_IPV6 } from "./socket.ts";
import { getOption, setOption, SOL_SOCKET } from "./socket_options.ts";

/** Constants of sys/socket.h, netinet/in.h and linux/in6.h. */
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SO_BINDTODEVICE = 25;
const IPPROTO_IP = 0;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const IP_MTU_DISCOVER = 10;
const IP_MTU = 14;
const IPV6_MTU_DISCOVER = 23;
const IPV6_MTU = 24;
/** Sets DF, and sends packets that are longer than what the kernel takes for the path's MTU. */
const PMTUDISC_PROBE = 3;

/** Socket for ICMP echo with one host; packets of it are not fragmented. */
export interface EchoSocket {
  readonly fd: number;
  readonly isIpv6: boolean;
  /** The program sees headers of IPv4, and makes the checksum of ICMP itself. */
  readonly isRaw: boolean;
}

/**
 * Opens a socket for pings, or a raw one where the kernel lets only root ping. Null = this user may
 * have neither. `device`: what the packets go by; absent = as the routes say.
 * @throws {NativeError} ENETUNREACH, EAFNOSUPPORT, ENODEV, EMFILE, …
 */
export function openEchoSocket(libc: Libc, host: string, device?: string): EchoSocket | null {
  const name = new Uint8Array(SOCKADDR_ROOM);
  const to: HostPort = { host, port: 0 };
  const { family, size } = writeSockaddr(to, name, libc);
  const isIpv6 = family === AF_INET6;
  const protocol = isIpv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  const open = (type: number) => libc.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  let fd = open(SOCK_DGRAM);
  const isRaw = fd < 0;
  if (isRaw) fd = open(SOCK_RAW);
  if (fd === -Errno.EACCES || fd === -Errno.EPERM) return null;
  check("socket", fd);
  return guarded(libc, fd, () => {
    if (device !== undefined) {
      check("SO_BINDTODEVICE", libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, cString(device)));
    }
    check("connect", libc.connect(fd, name, size));
    const [level, option] = isIpv6
      ? [IPPROTO_IPV6, IPV6_MTU_DISCOVER]
      : [IPPROTO_IP, IP_MTU_DISCOVER];
    check("MTU_DISCOVER", setOption(libc, fd, level, option, PMTUDISC_PROBE));
    return { fd, isIpv6, isRaw };
  });
}

/** Returns what the kernel takes for the path's MTU by now. @throws {NativeError} */
export function knownMtu(libc: Libc, { fd, isIpv6 }: EchoSocket): number {
  return isIpv6
    ? getOption(libc, fd, IPPROTO_IPV6, IPV6_MTU)
    : getOption(libc, fd, IPPROTO_IP, IP_MTU);
}
