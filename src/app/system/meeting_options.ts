import { type Cidr, formatAddr, type HostPort } from "../../base/addr.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import type { Logger } from "../../base/log.ts";
import { dialable } from "../../core/meet/dialable.ts";
import type { EndAddress } from "../../core/meet/messages.ts";
import { ownCandidates } from "../../core/ticket/own_candidates.ts";
import type { MeetingStream } from "../meet/meet.ts";
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

/** Says where this end may be reached, as the server and its interfaces tell. */
export function ownAddress(
  { port, ownNetworks, log }: MeetingOptions,
  { observed }: MeetingStream,
): EndAddress {
  const keepsPort = observed === null || observed.port === port;
  if (observed !== null) {
    log.info("public address", {
      ip: observed.host,
      port: observed.port,
      nat_keeps_port: `${keepsPort}`,
    });
  }
  const said = observed === null ? [] : [observed];
  const own = ownNetworks().map(({ bytes }) => bytes);
  return { keepsPort, candidates: ownCandidates({ said, own, port }) };
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
