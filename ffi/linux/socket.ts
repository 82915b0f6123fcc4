import type { HostPort } from "../../src/base/addr.ts";
import { check, NativeError } from "../native.ts";
import { Errno } from "./errno.ts";
import type { Libc } from "./libc.ts";
import { AF_INET, AF_INET6, SOCKADDR_ROOM, unpackSockaddr, writeSockaddr } from "./sockaddr.ts";
import {
  getOption,
  IPPROTO_MPTCP,
  IPPROTO_TCP,
  setMark,
  setNoDelay,
  setOption,
  SOL_SOCKET,
  TCP_MAXSEG,
} from "./socket_options.ts";

/** Constants of sys/socket.h and netinet/in.h on Linux. */
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
export const AF_UNIX = 1;
export const IPPROTO_IPV6 = 41;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_REUSEPORT = 15;
export const IPV6_V6ONLY = 26;
const SHUT_WR = 1;
const FIONBIO = 0x5421n;

/** Reports a closed peer as EPIPE, not by a signal. */
export const MSG_NOSIGNAL = 0x4000;
/** For this call the socket is non-blocking. */
export const MSG_DONTWAIT = 0x40;
/** Holds a segment that is not full until more is sent, or FIN. */
export const MSG_MORE = 0x8000;

/** The kernel limits it to net.core.somaxconn. Large, so that a flood does not fill the queue. */
export const BACKLOG = 4096;

/** Scratch for native calls; valid until the next one. */
const name = new Uint8Array(SOCKADDR_ROOM);
const nameView = new DataView(name.buffer);
const nameLength = new Uint32Array(1);
const nameLengthBytes = new Uint8Array(nameLength.buffer);

/** Properties that must be set before a socket connects or listens. */
export interface SocketKind {
  readonly mptcp: boolean;
  /** TCP_MAXSEG in bytes, for either direction; absent = the link's limit. */
  readonly segmentBytes?: number | undefined;
  /** SO_MARK; absent = none. */
  readonly mark?: number | undefined;
}

/**
 * Opens a non-blocking socket. If the kernel cannot limit segments of Multipath TCP (before Linux
 * 6.17), the limit wins: it is plain TCP.
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

/** @throws {NativeError} EPERM without CAP_NET_ADMIN and CAP_NET_RAW */
function openMarked(libc: Libc, mark: number | undefined, open: () => number): number {
  const fd = open();
  if (mark === undefined) return fd;
  return guarded(libc, fd, () => {
    setMark(libc, fd, mark);
    return fd;
  });
}

/** Opens a non-blocking socket of a family without protocols. @throws {NativeError} EMFILE, … */
export function openStreamSocket(libc: Libc, family: number): number {
  return check("socket", libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/** Opens a non-blocking socket of datagrams between programs. @throws {NativeError} EMFILE, … */
export function openUnixDatagrams(libc: Libc): number {
  return check("socket", libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/** Closes the descriptor if `use` throws. */
export function guarded<T>(libc: Libc, fd: number, use: () => T): T {
  try {
    return use();
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** Returns a descriptor; once writable, `connectResult` has the result. @throws {NativeError} */
export function startConnect(libc: Libc, to: HostPort, kind: SocketKind): number {
  const { family, size } = writeSockaddr(to, name, libc);
  const fd = openMarked(libc, kind.mark, () => openSocket(libc, family, kind));
  // A listener may want the local port of this connection; SO_REUSEADDR lets it bind meanwhile.
  setOption(libc, fd, SOL_SOCKET, SO_REUSEADDR, 1);
  const result = libc.connect(fd, name, size);
  // An attempt that a signal interrupted goes on like any other.
  if (result === 0 || result === -Errno.EINPROGRESS || result === -Errno.EINTR) return fd;
  libc.close(fd);
  throw new NativeError("connect", -result);
}

/**
 * Connects from a port that a listener of `listenShared` may have at the same time, as hole punching
 * needs it. Returns as `startConnect`. @throws {NativeError} EADDRINUSE, …
 */
export function startConnectFrom(libc: Libc, to: HostPort, port: number): number {
  const wildcard = to.host.includes(":") ? "::" : "0.0.0.0";
  const fd = openShared(libc, { host: wildcard, port });
  return guarded(libc, fd, () => {
    const { size } = writeSockaddr(to, name, libc);
    const result = libc.connect(fd, name, size);
    if (result === 0 || result === -Errno.EINPROGRESS || result === -Errno.EINTR) return fd;
    throw new NativeError("connect", -result);
  });
}

/** Listens on a port from which connections may be made at the same time. @throws {NativeError} */
export function listenShared(libc: Libc, at: HostPort): number {
  const fd = openShared(libc, at);
  return guarded(libc, fd, () => {
    check("listen", libc.listen(fd, BACKLOG));
    return fd;
  });
}

function openShared(libc: Libc, at: HostPort): number {
  const { family, size } = writeSockaddr(at, name, libc);
  const fd = openSocket(libc, family, { mptcp: false });
  return guarded(libc, fd, () => {
    setOption(libc, fd, SOL_SOCKET, SO_REUSEADDR, 1);
    setOption(libc, fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (family === AF_INET6) setOption(libc, fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    check("bind", libc.bind(fd, name, size));
    return fd;
  });
}

/**
 * Opens a connected UDP socket on a port of the kernel's choice; ICMP errors come with the next
 * call.
 * @throws {NativeError} ENETUNREACH, EAFNOSUPPORT, EMFILE, …
 */
export function openDatagrams(libc: Libc, to: HostPort, mark?: number): number {
  const { family, size } = writeSockaddr(to, name, libc);
  const fd = openMarked(libc, mark, () => openDatagramSocket(libc, family));
  return guarded(libc, fd, () => {
    check("connect", libc.connect(fd, name, size));
    return fd;
  });
}

/** Opens a non-blocking UDP socket. @throws {NativeError} EAFNOSUPPORT, EMFILE, … */
export function openDatagramSocket(libc: Libc, family: number): number {
  return check("socket", libc.socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/**
 * Opens two sockets without a name that are connected with each other, non-blocking; the caller owns
 * both. Of `datagrams` each read returns one.
 * @throws {NativeError} EMFILE, ENFILE
 */
export function openSocketPair(libc: Libc, kind: "stream" | "datagrams"): [number, number] {
  const type = (kind === "stream" ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const both = new Int32Array(2);
  check("socketpair", libc.socketpair(AF_UNIX, type, 0, new Uint8Array(both.buffer)));
  return [both[0]!, both[1]!];
}

/** Opens a pipe to read from and to write to, both non-blocking. @throws {NativeError} EMFILE, ENFILE */
export function openPipe(libc: Libc): [number, number] {
  const both = new Int32Array(2);
  check("pipe2", libc.pipe2(new Uint8Array(both.buffer), SOCK_NONBLOCK | SOCK_CLOEXEC));
  return [both[0]!, both[1]!];
}

/** For a descriptor that another program is to have. @throws {NativeError} */
export function setBlocking(libc: Libc, fd: number): void {
  check("FIONBIO", libc.ioctl(fd, FIONBIO, new Uint8Array(4)));
}

/** Returns SO_ERROR: 0 or -errno. */
export function connectResult(libc: Libc, fd: number): number {
  return -getOption(libc, fd, SOL_SOCKET, SO_ERROR);
}

/**
 * Host "" means all addresses: IPv6 and IPv4 on one socket, or IPv4 only without IPv6.
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
    setNoDelay(libc, fd);
    if (family === AF_INET6) setOption(libc, fd, IPPROTO_IPV6, IPV6_V6ONLY, dualStack ? 0 : 1);
    check("bind", libc.bind(fd, name, size));
    check("listen", libc.listen(fd, BACKLOG));
    return fd;
  });
}

/** Returns a non-blocking descriptor or -errno; `acceptedAddr` tells its remote address. */
export function accept(libc: Libc, fd: number): number {
  nameLength[0] = name.length;
  return libc.accept4(fd, name, nameLengthBytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/** Returns a non-blocking descriptor or -errno, whatever its address. */
export function acceptUnnamed(libc: Libc, fd: number): number {
  return libc.accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/** Returns the address of the connection that `accept` has just returned. */
export function acceptedAddr(libc: Libc): HostPort {
  return unpackSockaddr(name, libc);
}

/** @throws {NativeError} ENOTCONN, EBADF, ENOTSOCK */
export function localAddr(libc: Libc, fd: number): HostPort {
  nameLength[0] = name.length;
  check("getsockname", libc.getsockname(fd, name, nameLengthBytes));
  return unpackSockaddr(name, libc);
}

/** Returns null if the descriptor is not a socket with an IP address. */
export function tryLocalAddr(libc: Libc, fd: number): HostPort | null {
  nameLength[0] = name.length;
  return libc.getsockname(fd, name, nameLengthBytes) < 0 ? null : ipName(libc);
}

/** Returns null if the descriptor is not connected to an IP address. */
export function tryRemoteAddr(libc: Libc, fd: number): HostPort | null {
  nameLength[0] = name.length;
  return libc.getpeername(fd, name, nameLengthBytes) < 0 ? null : ipName(libc);
}

/** Returns -1 if not connected. Cheaper than `tryRemoteAddr`. */
export function tryRemotePort(libc: Libc, fd: number): number {
  nameLength[0] = name.length;
  return libc.getpeername(fd, name, nameLengthBytes) < 0 ? -1 : nameView.getUint16(2);
}

function ipName(libc: Libc): HostPort | null {
  const family = nameView.getUint16(0, true);
  return family === AF_INET || family === AF_INET6 ? unpackSockaddr(name, libc) : null;
}

export function shutdownWrite(libc: Libc, fd: number): void {
  check("shutdown", libc.shutdown(fd, SHUT_WR));
}

/**
 * Sends RST at once (connect(2) with AF_UNSPEC). For sockets whose owner sends FIN before it closes
 * them, as Deno does; `lingerZero` comes too late there.
 */
export function disconnect(libc: Libc, fd: number): void {
  const nowhere = new Uint8Array(SOCKADDR_ROOM);
  libc.connect(fd, nowhere, nowhere.length);
}
