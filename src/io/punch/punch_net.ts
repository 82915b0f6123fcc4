import { type HostPort, requireHostPort } from "../../base/addr.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";

/** TCP from and to one local port at once (SO_REUSEADDR, SO_REUSEPORT: socket(7)). */
export interface PunchNet {
  readonly dialer: Dialer;
  /** The caller owns it. @throws {TtunError} in_use, privilege, usage */
  listen(o: { signal: AbortSignal }): Listener;
}

/** Sockets that can share a port, by the means of the system. */
export interface PunchSockets {
  /** `at.host`: the wildcard address of the peer's family. */
  at(at: HostPort): PunchNet;
  /** Returns when no program listens on the port of all addresses. @throws {TtunError} in_use */
  requireFree(port: number, o: { signal: AbortSignal }): void;
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
  sockets: PunchSockets,
  port: number,
  o: { signal: AbortSignal },
): PunchPorts {
  if (port !== 0) sockets.requireFree(port, o);
  const first = sockets.at({ host: "0.0.0.0", port }).listen(o);
  const chosen = requireHostPort(first.addr).port;
  const { dialer, listen } = sockets.at({ host: "::", port: chosen });
  try {
    return { port: chosen, dialer, listeners: [first, listen(o)] };
  } catch {
    return { port: chosen, dialer, listeners: [first] }; // a system without IPv6
  }
}
