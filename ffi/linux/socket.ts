import type { HostPort } from "../../src/base/addr.ts";
import { check, NativeError } from "../native.ts";
import { Errno } from "./errno.ts";
import type { Libc } from "./libc.ts";
import { AF_INET, AF_INET6, SOCKADDR_ROOM, unpackSockaddr, writeSockaddr } from "./sockaddr.ts";
import {
  getOption,
  IPPROTO_MPTCP,
  IPPROTO_TCP,
  setOption,
  SOL_SOCKET,
  TCP_MAXSEG,
} from "./socket_options.ts";

/** Linux constants: sys/socket.h, netinet/in.h. */
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_IPV6 = 41;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const IPV6_V6ONLY = 26;
const SHUT_WR = 1;

/** Flag of `send`: a closed peer is reported as EPIPE, not by a signal. */
export const MSG_NOSIGNAL = 0x4000;

/**
 * Listen backlog, limited by net.core.somaxconn. Large, so that a flood does not fill the queue
 * before it is accepted from.
 */
const BACKLOG = 4096;

/** Scratch buffers that native calls fill in; valid until the next call. */
const name = new Uint8Array(SOCKADDR_ROOM);
const nameView = new DataView(name.buffer);
const nameLength = new Uint32Array(1);
const nameLengthBytes = new Uint8Array(nameLength.buffer);

/** Properties of a socket that must be set before it connects or listens. */
export interface SocketKind {
  /** Use Multipath TCP where the kernel supports it. */
  readonly mptcp: boolean;
  /**
   * TCP_MAXSEG: largest segment in either direction, in bytes; absent = no limit but the link's.
   */
  readonly segmentBytes?: number | undefined;
}

/**
 * Opens a non-blocking TCP socket. If the kernel cannot limit the segments of Multipath TCP
 * (before Linux 6.17), the limit wins and the socket is plain TCP.
 * @throws {NativeError} EAFNOSUPPORT if the kernel lacks the address family, EMFILE, …
 */
function openSocket(libc: Libc, family: number, { mptcp, segmentBytes }: SocketKind): number {
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const limit = (fd: number) =>
    segmentBytes === undefined ? 0 : setOption(libc, fd, IPPROTO_TCP, TCP_MAXSEG, segmentBytes);
  if (mptcp) {
    const fd = libc.socket(family, type, IPPROTO_MPTCP);
    if (fd >= 0) {
      if (limit(fd) === 0) return fd;
      libc.close(fd);
    }
  }
  const fd = check("socket", libc.socket(family, type, IPPROTO_TCP));
  return guarded(libc, fd, () => {
    check("TCP_MAXSEG", limit(fd));
    return fd;
  });
}

/** Runs `use` on a new descriptor and closes the descriptor if it throws. */
function guarded<T>(libc: Libc, fd: number, use: () => T): T {
  try {
    return use();
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/**
 * Starts a connection and returns its descriptor. When the socket becomes writable,
 * `connectResult` tells the result.
 * @throws {NativeError}
 */
export function startConnect(libc: Libc, to: HostPort, kind: SocketKind): number {
  const { family, size } = writeSockaddr(to, name, libc);
  const fd = openSocket(libc, family, kind);
  // A listener may want the local port of this connection; SO_REUSEADDR lets it bind meanwhile.
  setOption(libc, fd, SOL_SOCKET, SO_REUSEADDR, 1);
  const result = libc.connect(fd, name, size);
  // An attempt that a signal interrupted goes on like any other.
  if (result === 0 || result === -Errno.EINPROGRESS || result === -Errno.EINTR) return fd;
  libc.close(fd);
  throw new NativeError("connect", -result);
}

/**
 * Opens a non-blocking UDP socket connected to one peer, on a local port chosen by the kernel. It
 * receives only the peer's datagrams; ICMP errors are reported by the next call.
 * @throws {NativeError} ENETUNREACH, EAFNOSUPPORT, EMFILE, …
 */
export function openDatagrams(libc: Libc, to: HostPort): number {
  const { family, size } = writeSockaddr(to, name, libc);
  const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = check("socket", libc.socket(family, type, 0));
  return guarded(libc, fd, () => {
    check("connect", libc.connect(fd, name, size));
    return fd;
  });
}

/** Returns the result of a connection attempt (SO_ERROR): 0 or -errno. */
export function connectResult(libc: Libc, fd: number): number {
  return -getOption(libc, fd, SOL_SOCKET, SO_ERROR);
}

/**
 * Opens a listening socket. Host "" means all addresses: IPv6 and IPv4 on one socket, or IPv4 only
 * if the kernel has no IPv6.
 * @throws {NativeError} EADDRINUSE, EADDRNOTAVAIL, EACCES, …
 */
export function startListen(libc: Libc, at: HostPort, kind: SocketKind): number {
  if (at.host !== "" && at.host !== "::") return listenOn(libc, at, kind, false);
  try {
    return listenOn(libc, { host: "::", port: at.port }, kind, true);
  } catch (error) {
    const noIpv6 = error instanceof NativeError && error.is("EAFNOSUPPORT", "EADDRNOTAVAIL");
    if (!noIpv6) throw error;
    return listenOn(libc, { host: "0.0.0.0", port: at.port }, kind, false);
  }
}

function listenOn(libc: Libc, at: HostPort, kind: SocketKind, dualStack: boolean): number {
  const { family, size } = writeSockaddr(at, name, libc);
  const fd = openSocket(libc, family, kind);
  return guarded(libc, fd, () => {
    setOption(libc, fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family === AF_INET6) setOption(libc, fd, IPPROTO_IPV6, IPV6_V6ONLY, dualStack ? 0 : 1);
    check("bind", libc.bind(fd, name, size));
    check("listen", libc.listen(fd, BACKLOG));
    return fd;
  });
}

/**
 * Accepts the next connection as a non-blocking socket. Returns its descriptor or -errno;
 * `acceptedAddr` tells its remote address.
 */
export function accept(libc: Libc, fd: number): number {
  nameLength[0] = name.length;
  return libc.accept4(fd, name, nameLengthBytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/** Returns the remote address of the connection that `accept` has just returned. */
export function acceptedAddr(libc: Libc): HostPort {
  return unpackSockaddr(name, libc);
}

/**
 * Returns the local address.
 * @throws {NativeError} ENOTCONN, EBADF, ENOTSOCK
 */
export function localAddr(libc: Libc, fd: number): HostPort {
  nameLength[0] = name.length;
  check("getsockname", libc.getsockname(fd, name, nameLengthBytes));
  return unpackSockaddr(name, libc);
}

/** Returns the local address; null if the descriptor is not a socket with an IP address. */
export function tryLocalAddr(libc: Libc, fd: number): HostPort | null {
  nameLength[0] = name.length;
  return libc.getsockname(fd, name, nameLengthBytes) < 0 ? null : ipName(libc);
}

/** Returns the remote address; null if the descriptor is not connected to an IP address. */
export function tryRemoteAddr(libc: Libc, fd: number): HostPort | null {
  nameLength[0] = name.length;
  return libc.getpeername(fd, name, nameLengthBytes) < 0 ? null : ipName(libc);
}

/**
 * Returns the peer's port, or -1 if the descriptor is not a connected socket. Cheaper than
 * `tryRemoteAddr`.
 */
export function tryRemotePort(libc: Libc, fd: number): number {
  nameLength[0] = name.length;
  return libc.getpeername(fd, name, nameLengthBytes) < 0 ? -1 : nameView.getUint16(2);
}

function ipName(libc: Libc): HostPort | null {
  const family = nameView.getUint16(0, true);
  return family === AF_INET || family === AF_INET6 ? unpackSockaddr(name, libc) : null;
}

/** Shuts down the sending direction: the peer gets FIN after the data already written. */
export function shutdownWrite(libc: Libc, fd: number): void {
  check("shutdown", libc.shutdown(fd, SHUT_WR));
}

/**
 * Sends RST at once and leaves an unconnected socket (connect(2) with AF_UNSPEC). For sockets
 * whose owner sends FIN before it closes them, as Deno does; `lingerZero` comes too late there.
 */
export function disconnect(libc: Libc, fd: number): void {
  const nowhere = new Uint8Array(SOCKADDR_ROOM);
  libc.connect(fd, nowhere, nowhere.length);
}
