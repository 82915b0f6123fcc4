import type { CheckPassword } from "../../core/proxy/socks/socks5_server.ts";
import type { Target } from "../../base/target.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { Relays } from "../net/relay.ts";

export interface InboundOptions {
  readonly relays: Relays;
  readonly outbound: Outbound;
  /** Checks a password; null = none is required. */
  readonly auth: CheckPassword | null;
  /** Like tt: a SOCKS5 client may list any methods; replies do not tell the outgoing address. */
  readonly asTt?: boolean;
  readonly signal: AbortSignal;
  /** Milliseconds for a client's request. */
  readonly requestMs: number;
  /**
   * A SOCKS client is told "connected" before it is: its first bytes are sent with the request,
   * and it is reset if the target cannot be reached.
   */
  readonly isEager?: (target: Target) => boolean;
}
