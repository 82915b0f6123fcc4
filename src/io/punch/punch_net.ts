import { type HostPort, requireHostPort } from "../../base/addr.ts";
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

/** TCP from and to one port of all addresses at once. */
export interface PunchPorts {
  readonly port: number;
  readonly dialer: Dialer;
  /** One for each family that there is; the caller owns them. */
  readonly listeners: readonly Listener[];
}

/**
 * `port` 0: one of the kernel's choice; another is to be free: with a second program there, a peer's
 * connections would come to either. @throws {TtunError} in_use, privilege, usage
 */
export function openPunchPorts(
  reactor: Reactor,
  port: number,
  o: { signal: AbortSignal },
): PunchPorts {
  if (port !== 0) requireFree(reactor, port, o);
  const first = openPunchNet(reactor, { host: "0.0.0.0", port }).listen(o);
  const chosen = requireHostPort(first.addr).port;
  const { dialer, listen } = openPunchNet(reactor, { host: "::", port: chosen });
  try {
    return { port: chosen, dialer, listeners: [first, listen(o)] };
  } catch {
    return { port: chosen, dialer, listeners: [first] }; // a system without IPv6
  }
}

/** Without SO_REUSEPORT the kernel refuses a port on which somebody listens. @throws {TtunError} */
function requireFree(reactor: Reactor, port: number, o: { signal: AbortSignal }): void {
  const net = new PosixNet(reactor, { mptcp: { dial: false, listen: false } });
  const listener = net.listen({ host: "0.0.0.0", port }, o);
  void listener[Symbol.asyncDispose](); // it never rejects, and the port is free at once
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
