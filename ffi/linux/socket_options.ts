import type { SocketOptions } from "../../src/contract/connection.ts";
import { check } from "../native.ts";
import { chooseCongestion } from "./congestion.ts";
import type { Libc } from "./libc.ts";

/** Constants of sys/socket.h, netinet/in.h and netinet/tcp.h on Linux. */
export const IPPROTO_TCP = 6;
export const IPPROTO_MPTCP = 262;
export const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const SO_LINGER = 13;
const SO_MARK = 36;
const TCP_NODELAY = 1;
export const TCP_MAXSEG = 2;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_USER_TIMEOUT = 18;
const TCP_NOTSENT_LOWAT = 25;
const TCP_RTO_MAX_MS = 44; // since Linux 6.15

/** Scratch for native calls; valid until the next one. */
const int = new Int32Array(1);
const intBytes = new Uint8Array(int.buffer);
const intLength = new Uint8Array(new Uint32Array([4]).buffer);

/** Sends small segments at once; what a listener accepts inherits it. Every kernel has the option. */
export function setNoDelay(libc: Libc, fd: number): void {
  setOption(libc, fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

/** Returns the names of the options that the kernel refused. */
export function setSocketOptions(libc: Libc, fd: number, o: SocketOptions): string[] {
  const unset: string[] = [];
  const set = (name: string, level: number, option: number, value: number) => {
    if (setOption(libc, fd, level, option, value) < 0) unset.push(name);
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
  if (o.congestion !== undefined && !chooseCongestion(libc, fd, o.congestion)) {
    unset.push("TCP_CONGESTION");
  }
  return unset;
}

/** Applies to connections accepted from now on. Returns false if the kernel refuses. */
export function limitSegments(libc: Libc, fd: number, segmentBytes: number): boolean {
  return setOption(libc, fd, IPPROTO_TCP, TCP_MAXSEG, segmentBytes) === 0;
}

/** Marks the socket's packets, which rules of routing and packet filters see. @throws {NativeError} EPERM */
export function setMark(libc: Libc, fd: number, mark: number): void {
  check("SO_MARK", setOption(libc, fd, SOL_SOCKET, SO_MARK, mark));
}

/** Makes the next close send RST and discard unsent data. */
export function lingerZero(libc: Libc, fd: number): void {
  const linger = new Uint8Array(new Int32Array([1, 0]).buffer);
  libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, linger);
}

/** Returns 0 or -errno. */
export function setOption(
  libc: Libc,
  fd: number,
  level: number,
  option: number,
  value: number,
): number {
  int[0] = value;
  return libc.setsockopt(fd, level, option, intBytes);
}

/** @throws {NativeError} */
export function getOption(libc: Libc, fd: number, level: number, option: number): number {
  check("getsockopt", libc.getsockopt(fd, level, option, intBytes, intLength)); // always 4 bytes
  return int[0]!;
}
