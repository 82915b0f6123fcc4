import type { HostPort } from "../../src/base/addr.ts";
import { check, NativeError } from "../native.ts";
import type { Libc } from "./libc.ts";
import { AF_INET6, SOCKADDR_ROOM, unpackSockaddr, writeSockaddr } from "./sockaddr.ts";
import { guarded, IPPROTO_IPV6, IPV6_V6ONLY, openDatagramSocket } from "./socket.ts";
import { setOption } from "./socket_options.ts";

/** Scratch for native calls; valid until the next one. */
const name = new Uint8Array(SOCKADDR_ROOM);
const nameLength = new Uint32Array(1);
const nameLengthBytes = new Uint8Array(nameLength.buffer);

export interface BoundSocket {
  readonly fd: number;
  /** It takes IPv6 addresses, and IPv4 ones mapped to these. */
  readonly isIpv6: boolean;
}

/**
 * Opens a UDP socket on an address. Host "" means all addresses: IPv6 and IPv4 on one socket, or
 * IPv4 only without IPv6. @throws {NativeError} EADDRINUSE, EADDRNOTAVAIL, EACCES, EMFILE, …
 */
export function bindDatagrams(libc: Libc, at: HostPort): BoundSocket {
  if (at.host !== "" && at.host !== "::") return bindTo(libc, at, false);
  try {
    return bindTo(libc, { host: "::", port: at.port }, true);
  } catch (error) {
    const noIpv6 = error instanceof NativeError && error.is("EAFNOSUPPORT", "EADDRNOTAVAIL");
    if (!noIpv6) throw error;
    return bindTo(libc, { host: "0.0.0.0", port: at.port }, false);
  }
}

function bindTo(libc: Libc, at: HostPort, dualStack: boolean): BoundSocket {
  const { family, size } = writeSockaddr(at, name, libc);
  const fd = openDatagramSocket(libc, family);
  return guarded(libc, fd, () => {
    const isIpv6 = family === AF_INET6;
    if (isIpv6) setOption(libc, fd, IPPROTO_IPV6, IPV6_V6ONLY, dualStack ? 0 : 1);
    check("bind", libc.bind(fd, name, size));
    return { fd, isIpv6 };
  });
}

/** Returns 0 or -errno. */
export function sendDatagram(
  libc: Libc,
  { fd, isIpv6 }: BoundSocket,
  bytes: Uint8Array,
  { host, port }: HostPort,
): number {
  const isMapped = isIpv6 && !host.includes(":");
  const { size } = writeSockaddr({ host: isMapped ? `::ffff:${host}` : host, port }, name, libc);
  return Math.min(0, libc.sendto(fd, bytes, 0, name, size));
}

/** Returns the size or -errno; `datagramSource` tells where it came from. */
export function receiveDatagram(libc: Libc, fd: number, into: Uint8Array): number {
  nameLength[0] = name.length;
  return libc.recvfrom(fd, into, 0, name, nameLengthBytes);
}

/** Returns the source of the datagram that `receiveDatagram` has just received. */
export function datagramSource(libc: Libc): HostPort {
  return unpackSockaddr(name, libc);
}
