import type { HostPort } from "../../src/base/addr.ts";
import type { ConnectionStats, SendingInfo, SocketOptions } from "../../src/contract/connection.ts";
import { check, NativeError } from "../native.ts";
import { Errno } from "./errno.ts";
import type { Libc } from "./libc.ts";
import { AF_INET, AF_INET6, SOCKADDR_ROOM, unpackSockaddr, writeSockaddr } from "./sockaddr.ts";

/** Linux constants: sys/socket.h, netinet/tcp.h, linux/mptcp.h. */
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
const IPPROTO_MPTCP = 262;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_KEEPALIVE = 9;
const SO_LINGER = 13;
const SO_PROTOCOL = 38;
const IPV6_V6ONLY = 26;
const TCP_NODELAY = 1;
const TCP_MAXSEG = 2;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_INFO = 11;
const TCP_CONGESTION = 13;
const TCP_USER_TIMEOUT = 18;
const TCP_NOTSENT_LOWAT = 25;
const TCP_RTO_MAX_MS = 44; // since Linux 6.15
const SOL_MPTCP = 284;
const MPTCP_INFO = 1;
const POLLERR = 0x008;
const POLLHUP = 0x010;
const POLLRDHUP = 0x2000;
const SHUT_WR = 1;

/** Flag of `send`: a closed peer is reported as EPIPE, not by a signal. */
export const MSG_NOSIGNAL = 0x4000;

/**
 * Listen backlog, limited by net.core.somaxconn. Large, so that a flood does not fill the queue
 * before it is accepted from.
 */
const BACKLOG = 4096;

/** Size and offsets of the fields of struct tcp_info (linux/tcp.h) that are read here, in bytes. */
const TCP_INFO_SIZE = 136;
const TCPI_STATE = 0;
const TCPI_RETRANSMITS = 2;
const TCPI_SND_MSS = 16;
const TCPI_UNACKED = 24;
const TCPI_SACKED = 28;
const TCPI_LAST_DATA_SENT = 44;
const TCPI_LAST_ACK_RECV = 56;
const TCPI_RTT_US = 68;
const TCPI_TOTAL_RETRANS = 100;
const TCPI_BYTES_ACKED = 120;
const TCPI_BYTES_RECEIVED = 128;
/** Since Linux 4.6. */
const TCPI_NOTSENT_BYTES = 144;
const TCP_INFO_NOTSENT_SIZE = 148;
const TCPI_SEGS_IN = 140;
const TCPI_DELIVERED = 192;
const TCPI_BYTES_SENT = 200;
const TCPI_BYTES_RETRANS = 208;
/** Size with all of these fields, since Linux 4.19. */
const TCP_INFO_SENDING_SIZE = 216;

/** struct mptcp_info (linux/mptcp.h); it has the byte counters since Linux 6.5. */
const MPTCP_INFO_SIZE = 80;
const MPTCPI_WRITE_SEQ = 16;
const MPTCPI_SND_UNA = 24;
const MPTCPI_BYTES_RECEIVED = 64;
const MPTCPI_BYTES_ACKED = 72;

/** TCP state of a connection that is gone, most often by a reset from either end. */
const TCP_CLOSE = 7;

/** TCP_ESTABLISHED, TCP_FIN_WAIT1 and TCP_FIN_WAIT2: the peer may still send. */
const STATES_BEFORE_FIN: readonly number[] = [1, 4, 5];

/** Scratch buffers that native calls fill in; valid until the next call. */
const name = new Uint8Array(SOCKADDR_ROOM);
const nameView = new DataView(name.buffer);
const nameLength = new Uint32Array(1);
const nameLengthBytes = new Uint8Array(nameLength.buffer);
const int = new Int32Array(1);
const intBytes = new Uint8Array(int.buffer);
const intLength = new Uint8Array(new Uint32Array([4]).buffer);

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
    segmentBytes === undefined ? 0 : setInt(libc, fd, IPPROTO_TCP, TCP_MAXSEG, segmentBytes);
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
  setInt(libc, fd, SOL_SOCKET, SO_REUSEADDR, 1);
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
  return -getInt(libc, fd, SOL_SOCKET, SO_ERROR);
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
    setInt(libc, fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family === AF_INET6) setInt(libc, fd, IPPROTO_IPV6, IPV6_V6ONLY, dualStack ? 0 : 1);
    check("bind", libc.bind(fd, name, size));
    check("listen", libc.listen(fd, BACKLOG));
    return fd;
  });
}

/**
 * Limits the segments of connections that a listening socket accepts from now on. Returns false if
 * the kernel refuses.
 */
export function limitSegments(libc: Libc, fd: number, segmentBytes: number): boolean {
  return setInt(libc, fd, IPPROTO_TCP, TCP_MAXSEG, segmentBytes) === 0;
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

/** Makes the next close send RST and discard unsent data (SO_LINGER with zero seconds). */
export function lingerZero(libc: Libc, fd: number): void {
  const linger = new Uint8Array(new Int32Array([1, 0]).buffer);
  libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, linger);
}

/**
 * Sends RST at once and leaves an unconnected socket (connect(2) with AF_UNSPEC). For sockets
 * whose owner sends FIN before it closes them, as Deno does; `lingerZero` comes too late there.
 */
export function disconnect(libc: Libc, fd: number): void {
  const nowhere = new Uint8Array(SOCKADDR_ROOM);
  libc.connect(fd, nowhere, nowhere.length);
}

/** Sets socket options. Returns the names of those that the kernel refused. */
export function tuneSocket(libc: Libc, fd: number, o: SocketOptions): string[] {
  const unset: string[] = [];
  const set = (name: string, level: number, option: number, value: number) => {
    if (setInt(libc, fd, level, option, value) < 0) unset.push(name);
  };
  const { noDelay, keepAliveSeconds, userTimeoutMs, maxRetransmitPauseMs, unsentBytes } = o;
  if (noDelay !== undefined) set("TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, +noDelay);
  if (keepAliveSeconds !== undefined) {
    set("SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1);
    set("TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, keepAliveSeconds);
    set("TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, keepAliveSeconds);
  }
  if (userTimeoutMs !== undefined) {
    set("TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, userTimeoutMs);
  }
  if (maxRetransmitPauseMs !== undefined) {
    set("TCP_RTO_MAX_MS", IPPROTO_TCP, TCP_RTO_MAX_MS, maxRetransmitPauseMs);
  }
  if (unsentBytes !== undefined) {
    set("TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT, unsentBytes);
  }
  if (o.congestion !== undefined && !setCongestion(libc, fd, o.congestion)) {
    unset.push("TCP_CONGESTION");
  }
  return unset;
}

/** Sets the congestion control. Returns false if the kernel lacks it or only root may use it. */
export function setCongestion(libc: Libc, fd: number, name: string): boolean {
  const value = new TextEncoder().encode(name);
  return libc.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, value) === 0;
}

/**
 * Tests on an unused socket if connections can use this congestion control.
 * @throws {NativeError} if no socket can be opened
 */
export function hasCongestion(libc: Libc, name: string): boolean {
  const type = SOCK_STREAM | SOCK_CLOEXEC;
  const fd = check("socket", libc.socket(AF_INET, type, IPPROTO_TCP));
  try {
    return setCongestion(libc, fd, name);
  } finally {
    libc.close(fd);
  }
}

/** Reads TCP_INFO and MPTCP_INFO. Values that the kernel does not provide are absent. */
export function socketInfo(libc: Libc, fd: number): ConnectionStats {
  const multipath = mptcpInfo(libc, fd);
  const info: ConnectionStats = { protocol: multipath === null ? "tcp" : "mptcp" };
  const tcp = getStruct(libc, fd, IPPROTO_TCP, TCP_INFO, TCP_INFO_SENDING_SIZE);
  if (tcp !== null && tcp.byteLength >= TCP_INFO_SIZE) {
    info.acked = Number(tcp.getBigUint64(TCPI_BYTES_ACKED, true));
    info.received = Number(tcp.getBigUint64(TCPI_BYTES_RECEIVED, true));
    info.segmentBytes = tcp.getUint32(TCPI_SND_MSS, true);
    info.rttMs = tcp.getUint32(TCPI_RTT_US, true) / 1000;
    info.peerClosed = !STATES_BEFORE_FIN.includes(tcp.getUint8(TCPI_STATE));
    info.isGone = tcp.getUint8(TCPI_STATE) === TCP_CLOSE;
    if (tcp.byteLength >= TCP_INFO_NOTSENT_SIZE) {
      // A closed connection has no data in flight, whatever its counters say.
      info.isDelivered = info.isGone ||
        (tcp.getUint32(TCPI_UNACKED, true) === 0 && tcp.getUint32(TCPI_NOTSENT_BYTES, true) === 0);
    }
    if (tcp.byteLength >= TCP_INFO_SENDING_SIZE) info.sending = sendingInfo(tcp);
  }
  if (multipath === null) return info;
  // The values above are those of the first subflow only, which others may have replaced and which
  // outlives the end.
  if (multipath.byteLength >= MPTCP_INFO_SIZE) {
    info.acked = Number(multipath.getBigUint64(MPTCPI_BYTES_ACKED, true));
    info.received = Number(multipath.getBigUint64(MPTCPI_BYTES_RECEIVED, true));
  }
  if (multipath.byteLength > MPTCPI_SND_UNA + 8) {
    info.isDelivered = multipath.getBigUint64(MPTCPI_WRITE_SEQ, true) ===
      multipath.getBigUint64(MPTCPI_SND_UNA, true);
  } else {
    delete info.isDelivered;
  }
  info.peerClosed = hasHungUp(libc, fd);
  delete info.isGone;
  return info;
}

function sendingInfo(tcp: DataView): SendingInfo {
  const count = (at: number) => Number(tcp.getBigUint64(at, true));
  return {
    timeouts: tcp.getUint8(TCPI_RETRANSMITS),
    retransmitted: tcp.getUint32(TCPI_TOTAL_RETRANS, true),
    inFlightBytes: Math.max(
      0,
      count(TCPI_BYTES_SENT) - count(TCPI_BYTES_RETRANS) - count(TCPI_BYTES_ACKED),
    ),
    sacked: tcp.getUint32(TCPI_SACKED, true),
    delivered: tcp.getUint32(TCPI_DELIVERED, true),
    segmentsIn: tcp.getUint32(TCPI_SEGS_IN, true),
    sentMsAgo: tcp.getUint32(TCPI_LAST_DATA_SENT, true),
    heardMsAgo: tcp.getUint32(TCPI_LAST_ACK_RECV, true),
  };
}

/** Returns null unless Multipath TCP was negotiated, not only requested. */
function mptcpInfo(libc: Libc, fd: number): DataView | null {
  if (getInt(libc, fd, SOL_SOCKET, SO_PROTOCOL) !== IPPROTO_MPTCP) return null;
  // A socket that fell back to plain TCP answers EOPNOTSUPP.
  return getStruct(libc, fd, SOL_MPTCP, MPTCP_INFO, MPTCP_INFO_SIZE);
}

/** Returns as much of the struct as this kernel provides, or null if it provides none. */
function getStruct(
  libc: Libc,
  fd: number,
  level: number,
  option: number,
  room: number,
): DataView | null {
  const bytes = new Uint8Array(room);
  const length = new Uint32Array([room]);
  const lengthBytes = new Uint8Array(length.buffer);
  if (libc.getsockopt(fd, level, option, bytes, lengthBytes) < 0) return null;
  return new DataView(bytes.buffer, 0, length[0]!);
}

/** Returns true if the peer's FIN or a reset has arrived, read or not. */
function hasHungUp(libc: Libc, fd: number): boolean {
  const entry = new DataView(new ArrayBuffer(8)); // struct pollfd: i32 fd, i16 events, i16 revents
  entry.setInt32(0, fd, true);
  entry.setInt16(4, POLLRDHUP, true);
  libc.poll(new Uint8Array(entry.buffer), 0);
  return (entry.getInt16(6, true) & (POLLRDHUP | POLLERR | POLLHUP)) !== 0;
}

/** Returns 0 or -errno. */
function setInt(libc: Libc, fd: number, level: number, option: number, value: number): number {
  int[0] = value;
  return libc.setsockopt(fd, level, option, intBytes);
}

function getInt(libc: Libc, fd: number, level: number, option: number): number {
  check("getsockopt", libc.getsockopt(fd, level, option, intBytes, intLength)); // always 4 bytes
  return int[0]!;
}
