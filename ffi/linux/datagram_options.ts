import type { Libc } from "./libc.ts";
import { IPPROTO_IPV6 } from "./socket.ts";
import { setOption, SOL_SOCKET } from "./socket_options.ts";

/** Constants of linux/in.h, linux/in6.h, linux/udp.h and sys/socket.h. */
export const IPPROTO_IP = 0;
export const SOL_UDP = 17;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;
const IP_PKTINFO = 8;
const IP_MTU_DISCOVER = 10;
const IP_RECVTOS = 13;
const IPV6_MTU_DISCOVER = 23;
const IPV6_RECVPKTINFO = 49;
const IPV6_RECVTCLASS = 66;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;

/** Sets DF, and sends what is longer than the path takes all the same (IP_PMTUDISC_PROBE). */
const PMTUDISC_PROBE = 3;

/** Bytes of datagrams that wait in the kernel, each way. */
const BUFFER_BYTES = 4 << 20;

/**
 * Has the socket receive datagrams joined, with both their addresses and their ECN, and send them
 * with DF. Returns the names of what the kernel does not have.
 */
export function setDatagramOptions(libc: Libc, fd: number, isIpv6: boolean): string[] {
  const unset: string[] = [];
  const set = (name: string, level: number, option: number, value: number) => {
    if (setOption(libc, fd, level, option, value) < 0) unset.push(name);
  };
  set("IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE);
  set("IP_RECVTOS", IPPROTO_IP, IP_RECVTOS, 1);
  if (isIpv6) {
    set("IPV6_MTU_DISCOVER", IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE);
    set("IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    set("IPV6_RECVTCLASS", IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
  } else {
    set("IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, 1);
  }
  set("UDP_GRO", SOL_UDP, UDP_GRO, 1);
  setBuffer(libc, fd, SO_SNDBUFFORCE, SO_SNDBUF);
  setBuffer(libc, fd, SO_RCVBUFFORCE, SO_RCVBUF);
  return unset;
}

/** Without CAP_NET_ADMIN the kernel gives no more than net.core.wmem_max and rmem_max. */
function setBuffer(libc: Libc, fd: number, forced: number, usual: number): void {
  if (setOption(libc, fd, SOL_SOCKET, forced, BUFFER_BYTES) === 0) return;
  setOption(libc, fd, SOL_SOCKET, usual, BUFFER_BYTES);
}
