import type { HostPort } from "../../src/base/addr.ts";
import type { SocketOptions } from "../../src/contract/connection.ts";
import type { NativeSockets } from "./native_sockets.ts";
import { NAME_ROOM, readName, writeName } from "./socket_name.ts";

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
const TCP_NODELAY = 1;
const AF_INET = 2;
const BACKLOG = 128;

/** Scratch for native calls; valid until the next one. */
const name = new Uint8Array(NAME_ROOM);
const nameSize = new Uint32Array(1);
const nameSizeBytes = new Uint8Array(nameSize.buffer);
const int = new Int32Array(1);
const intBytes = new Uint8Array(int.buffer);
const INT_SIZE = new Uint8Array(new Uint32Array([4]).buffer);

/**
 * Connects from a port of all addresses that a listener of `listenShared` may have at the same time.
 * Returns a descriptor; once writable, `connectResult` has the result.
 * @throws {NativeError} EADDRINUSE, ENETUNREACH, …
 */
export function connectFrom(sockets: NativeSockets, to: HostPort, port: number): number {
  const wildcard = to.host.includes(":") ? "::" : "0.0.0.0";
  const fd = openBound(sockets, { host: wildcard, port }, true);
  return guarded(sockets, fd, () => {
    const { size } = writeName(sockets.system, to, name, sockets);
    const result = sockets.connect(fd, name, size);
    const { connecting } = sockets.system.errors;
    if (result < 0 && !connecting.includes(-result)) throw sockets.error("connect", result);
    return fd;
  });
}

/** Listens on a port from which connections may be made at the same time. @throws {NativeError} */
export function listenShared(sockets: NativeSockets, at: HostPort): number {
  return listenOn(sockets, at, true);
}

/** Listens on a port that no other socket has. @throws {NativeError} EADDRINUSE, EACCES */
export function listenAlone(sockets: NativeSockets, at: HostPort): number {
  return listenOn(sockets, at, false);
}

function listenOn(sockets: NativeSockets, at: HostPort, isShared: boolean): number {
  const fd = openBound(sockets, at, isShared);
  return guarded(sockets, fd, () => {
    check(sockets, "listen", sockets.listen(fd, BACKLOG));
    return fd;
  });
}

function openBound(sockets: NativeSockets, at: HostPort, isShared: boolean): number {
  const { system } = sockets;
  const { family, size } = writeName(system, at, name, sockets);
  const fd = openSocket(sockets, family, SOCK_STREAM);
  return guarded(sockets, fd, () => {
    const set = (option: number | null) => {
      if (option !== null) setInt(sockets, fd, system.solSocket, option, 1);
    };
    if (isShared) {
      set(system.soReuseAddr);
      set(system.soReusePort);
    } else if (system.soExclusiveAddrUse === null) set(system.soReuseAddr); // for TIME_WAIT alone
    else set(system.soExclusiveAddrUse);
    if (family !== AF_INET) setInt(sockets, fd, IPPROTO_IPV6, system.ipv6V6Only, 1);
    makeReady(sockets, fd);
    check(sockets, "bind", sockets.bind(fd, name, size));
    return fd;
  });
}

function openSocket(sockets: NativeSockets, family: number, type: number): number {
  const fd = check(sockets, "socket", sockets.socket(family, type));
  return guarded(sockets, fd, () => {
    check(sockets, "makeNonBlocking", sockets.makeNonBlocking(fd));
    return fd;
  });
}

/** Small segments are sent at once, and a write to a closed peer is an error and no signal. */
function makeReady(sockets: NativeSockets, fd: number): void {
  const { soNoSigPipe, solSocket } = sockets.system;
  if (soNoSigPipe !== null) setInt(sockets, fd, solSocket, soNoSigPipe, 1);
  setInt(sockets, fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

/**
 * Opens a socket of datagrams that is connected with itself: what is sent to it wakes whoever polls
 * it, on systems whose poll takes sockets alone too. @throws {NativeError}
 */
export function openWakeSocket(sockets: NativeSockets): number {
  const fd = openSocket(sockets, AF_INET, SOCK_DGRAM);
  return guarded(sockets, fd, () => {
    const { size } = writeName(sockets.system, { host: "127.0.0.1", port: 0 }, name, sockets);
    check(sockets, "bind", sockets.bind(fd, name, size));
    localName(sockets, fd);
    check(sockets, "connect", sockets.connect(fd, name, size));
    return fd;
  });
}

/** Returns SO_ERROR: 0 or a negative number. */
export function connectResult(sockets: NativeSockets, fd: number): number {
  const { solSocket, soError } = sockets.system;
  const result = sockets.getOption(fd, solSocket, soError, intBytes, INT_SIZE);
  return result < 0 ? result : -int[0]!;
}

/** Returns a descriptor or a negative number; `acceptedName` tells its remote address. */
export function accept(sockets: NativeSockets, listener: number): number {
  nameSize[0] = name.length;
  const fd = sockets.accept(listener, name, nameSizeBytes);
  if (fd < 0) return fd;
  const result = sockets.makeNonBlocking(fd);
  if (result < 0) {
    sockets.close(fd);
    return result;
  }
  makeReady(sockets, fd);
  return fd;
}

export function acceptedName(sockets: NativeSockets): HostPort {
  return readName(sockets.system, name, sockets);
}

/** @throws {NativeError} */
export function localName(sockets: NativeSockets, fd: number): HostPort {
  nameSize[0] = name.length;
  check(sockets, "getsockname", sockets.getsockname(fd, name, nameSizeBytes));
  return readName(sockets.system, name, sockets);
}

/** Makes the next close send RST and discard unsent data. */
export function lingerZero(sockets: NativeSockets, fd: number): void {
  const { lingerField, solSocket, soLinger } = sockets.system;
  const linger = new Uint8Array(2 * lingerField);
  linger[0] = 1;
  sockets.setOption(fd, solSocket, soLinger, linger);
}

/** Returns the names of the options that could not be set: most are Linux's alone. */
export function setStreamOptions(sockets: NativeSockets, fd: number, o: SocketOptions): string[] {
  const { solSocket, soKeepAlive, tcpKeepIdle, tcpKeepInterval } = sockets.system;
  const unset: string[] = [];
  const set = (name: string, level: number, option: number, value: number) => {
    if (setInt(sockets, fd, level, option, value) < 0) unset.push(name);
  };
  const { noDelay, keepAliveSeconds } = o;
  if (noDelay !== undefined) set("TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, +noDelay);
  if (keepAliveSeconds !== undefined) {
    set("SO_KEEPALIVE", solSocket, soKeepAlive, 1);
    set("TCP_KEEPIDLE", IPPROTO_TCP, tcpKeepIdle, keepAliveSeconds);
    set("TCP_KEEPINTVL", IPPROTO_TCP, tcpKeepInterval, keepAliveSeconds);
  }
  const linuxOnly = {
    TCP_USER_TIMEOUT: o.userTimeoutMs,
    TCP_RTO_MAX_MS: o.maxRetransmitPauseMs,
    TCP_NOTSENT_LOWAT: o.unsentBytes,
    TCP_CONGESTION: o.congestion,
  };
  for (const [name, value] of Object.entries(linuxOnly)) if (value !== undefined) unset.push(name);
  return unset;
}

function setInt(
  sockets: NativeSockets,
  fd: number,
  level: number,
  option: number,
  value: number,
): number {
  int[0] = value;
  return sockets.setOption(fd, level, option, intBytes);
}

function check(sockets: NativeSockets, call: string, result: number): number {
  if (result < 0) throw sockets.error(call, result);
  return result;
}

function guarded<T>(sockets: NativeSockets, fd: number, use: () => T): T {
  try {
    return use();
  } catch (error) {
    sockets.close(fd);
    throw error;
  }
}
