import type { HostPort } from "../../base/addr.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";
import {
  accept,
  acceptedAddr,
  listenShared,
  localAddr,
  startConnectFrom,
} from "../../../ffi/linux/socket.ts";
import { PosixNet } from "../net/posix_net.ts";
import { makeSocketCalls } from "../net/socket_calls.ts";
import type { Reactor } from "../reactor/reactor.ts";

/** TCP from and to one local port at once (SO_REUSEADDR, SO_REUSEPORT: socket(7)). */
export interface PunchNet {
  readonly dialer: Dialer;
  /** The caller owns it. @throws {TtunError} in_use, privilege, usage */
  listen(o: { signal: AbortSignal }): Listener;
}

/** `at.host`: the wildcard address of the peer's family. */
export function openPunchNet(reactor: Reactor, { host: wildcard, port }: HostPort): PunchNet {
  const calls = makeSocketCalls({
    connect: (libc, to) => startConnectFrom(libc, to, port),
    listen: (libc, at) => listenShared(libc, at),
    ...{ accept, acceptedAddr, localAddr },
  });
  const net = new PosixNet(reactor, { mptcp: { dial: false, listen: false }, calls });
  return { dialer: net, listen: (o) => net.listen({ host: wildcard, port }, o) };
}
