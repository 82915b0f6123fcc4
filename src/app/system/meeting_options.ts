import { type Cidr, formatAddr, type HostPort } from "../../base/addr.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import type { Logger } from "../../base/log.ts";
import { dialable } from "../../core/meet/dialable.ts";
import type { EndAddress } from "../../core/meet/messages.ts";
import type { Via } from "./via_session.ts";

/** Of an end that meets another at a server. */
export interface MeetingOptions {
  /** The server; its dialer connects from `port`, as the server is to see where that leads to. */
  readonly via: Omit<Via, "clock" | "log">;
  /** Connects to the other end, from `port`. */
  readonly dialer: Dialer;
  readonly port: number;
  /** Returns the addresses of this machine's interfaces, with their prefixes. */
  readonly ownNetworks: () => readonly Cidr[];
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

/** Returns which addresses of the other end are tried, and logs them. */
export function peerCandidates(
  { ownNetworks, log }: MeetingOptions,
  peer: EndAddress,
): readonly HostPort[] {
  const candidates = dialable(peer.candidates, ownNetworks());
  log.info("connecting", { peer: candidates.map(formatAddr).join(",") });
  return candidates;
}
