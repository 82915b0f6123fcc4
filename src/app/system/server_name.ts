import { formatAddr, type HostPort } from "../../base/addr.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Reach } from "../net/reach.ts";
import { formatHopAddress, type HopAddress } from "../../core/hop/hop_address.ts";

/** A server behind no address: no name is resolved, and no route or segment size matters. */
export interface DirectServer {
  /** Its name for logs. */
  readonly name: string;
  readonly dialer: Dialer<void>;
  /** Tries several connections at once, where a client of streams can do so. */
  readonly reach?: Reach;
}

export function serverName(server: HostPort | DirectServer | HopAddress): string {
  if ("dialer" in server) return server.name;
  return "range" in server ? formatHopAddress(server) : formatAddr(server);
}
