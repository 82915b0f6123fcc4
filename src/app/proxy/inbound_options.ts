import type { CheckPassword } from "../../core/proxy/socks/socks5_server.ts";
import type { Target } from "../../base/target.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { Relays } from "../net/relay.ts";

/** Shared by all clients of a proxy. */
export interface InboundOptions {
  readonly relays: Relays;
  readonly outbound: Outbound;
  /** Checks a password; null = none is required. */
  readonly auth: CheckPassword | null;
  /**
   * Behaves like tt's servers: a SOCKS5 client may list any methods, and no reply names the address
   * from which its target is connected.
   */
  readonly asTt?: boolean;
  readonly signal: AbortSignal;
  /** Milliseconds that a client may take for its request. */
  readonly requestMs: number;
  /**
   * Returns true if a SOCKS client is told that it is connected to a target before it is: its first
   * bytes are then sent with the request, and it is reset if the target cannot be reached.
   */
  readonly isEager?: (target: Target) => boolean;
}
