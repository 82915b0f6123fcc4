import type { HostPort } from "../../base/addr.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import {
  accept,
  acceptedAddr,
  localAddr,
  type SocketKind,
  startConnect,
  startListen,
} from "../../../ffi/linux/socket.ts";

/** The calls of ffi/linux/socket.ts by which a connection comes about. */
export interface SocketCalls {
  readonly connect: (libc: Libc, to: HostPort, kind: SocketKind) => number;
  readonly listen: (libc: Libc, at: HostPort, kind: SocketKind) => number;
  readonly accept: (libc: Libc, fd: number) => number;
  readonly acceptedAddr: (libc: Libc) => HostPort;
  readonly localAddr: (libc: Libc, fd: number) => HostPort;
}

/** The copy gives all of them one hidden class. */
export function makeSocketCalls(
  { connect, listen, accept, acceptedAddr, localAddr }: SocketCalls,
): SocketCalls {
  return { connect, listen, accept, acceptedAddr, localAddr };
}

/** The kernel's TCP. */
export const TCP_CALLS = makeSocketCalls({
  connect: startConnect,
  listen: startListen,
  ...{ accept, acceptedAddr, localAddr },
});
