import type { WireSecrets } from "../../app/link/config.ts";
import { OnePeer } from "../../app/link/one_peer.ts";
import type { Clock } from "../../contract/host.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import { unpack } from "./packed.ts";
import type { TicketListen } from "./via_config.ts";

/** Returns what lets one client in where a server listens by a ticket. */
export function ticketGuard(
  listen: readonly Endpoint[],
  clock: Clock,
): Pick<WireSecrets, "guard"> {
  const made = listen.find(({ scheme }) => scheme === "peer");
  if (made === undefined) return {};
  return { guard: new OnePeer(clock, unpack<TicketListen>(`${made.at}`).ttlMs).guard };
}
