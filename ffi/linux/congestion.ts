import type { CongestionChoice } from "../../src/contract/connection.ts";
import { check } from "../native.ts";
import type { Libc } from "./libc.ts";
import { AF_INET } from "./sockaddr.ts";

/** Constants of sys/socket.h, netinet/in.h and netinet/tcp.h on Linux. */
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const TCP_CONGESTION = 13;
/** TCP_CA_NAME_MAX of net/tcp.h: bytes of a name with its zero. */
const NAME_SIZE = 16;

/** Of struct tcp_info (linux/tcp.h), since Linux 4.6: microseconds, all ones before a sample. */
const TCPI_MIN_RTT = 148;
const TCP_INFO_SIZE = 152;

/** Scratch for native calls; valid until the next one. */
const info = new Uint8Array(TCP_INFO_SIZE);
const infoView = new DataView(info.buffer);
const name = new Uint8Array(NAME_SIZE);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const length = new Uint32Array(1);
const lengthBytes = new Uint8Array(length.buffer);

/** Sets the one for the connection's path. Returns false if the kernel refuses it. */
export function chooseCongestion(
  libc: Libc,
  fd: number,
  { far, near, nearMs }: CongestionChoice,
): boolean {
  const chosen = near !== far && isNear(libc, fd, nearMs) ? near : far;
  return chosen === null || setCongestion(libc, fd, chosen);
}

/**
 * The least round trip counts: the peer's kernel may have taken its time over others. The handshake
 * gives the first one.
 */
function isNear(libc: Libc, fd: number, nearMs: number): boolean {
  length[0] = TCP_INFO_SIZE;
  return libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, lengthBytes) >= 0 &&
    length[0] === TCP_INFO_SIZE && infoView.getUint32(TCPI_MIN_RTT, true) < nearMs * 1000;
}

/** Returns false if the kernel lacks it or gives it to root only. For root it loads the module. */
function setCongestion(libc: Libc, fd: number, wanted: string): boolean {
  encoder.encodeInto(wanted, name.fill(0));
  return libc.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name) === 0;
}

/** Returns the kernel's name of what the socket has; "" if the kernel does not tell. */
export function congestionOf(libc: Libc, fd: number): string {
  length[0] = NAME_SIZE;
  if (libc.getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.fill(0), lengthBytes) < 0) return "";
  return decoder.decode(name.subarray(0, name.indexOf(0)));
}

/** Returns what a new socket has. @throws {NativeError} if no socket can be opened */
export function systemCongestion(libc: Libc): string {
  return withSocket(libc, (fd) => congestionOf(libc, fd));
}

/** Tells if this process may set it. @throws {NativeError} if no socket can be opened */
export function hasCongestion(libc: Libc, wanted: string): boolean {
  return withSocket(libc, (fd) => setCongestion(libc, fd, wanted));
}

function withSocket<T>(libc: Libc, work: (fd: number) => T): T {
  const fd = check("socket", libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
  try {
    return work(fd);
  } finally {
    libc.close(fd);
  }
}
