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
import type { PunchSockets } from "./punch_net.ts";

/** Linux. */
export function reactorPunch(reactor: Reactor): PunchSockets {
  return {
    at({ host, port }) {
      const calls = makeSocketCalls({
        connect: (libc, to) => startConnectFrom(libc, to, port),
        listen: (libc, at) => listenShared(libc, at),
        ...{ accept, acceptedAddr, localAddr },
      });
      const net = new PosixNet(reactor, { mptcp: { dial: false, listen: false }, calls });
      return { dialer: net, listen: (o) => net.listen({ host, port }, o) };
    },
    // Without SO_REUSEPORT the kernel refuses a port on which somebody listens.
    requireFree(port, o) {
      const net = new PosixNet(reactor, { mptcp: { dial: false, listen: false } });
      const listener = net.listen({ host: "0.0.0.0", port }, o);
      void listener[Symbol.asyncDispose](); // it never rejects, and the port is free at once
    },
  };
}
