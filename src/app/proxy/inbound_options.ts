import type { CheckPassword } from "../../core/proxy/socks/socks5_server.ts";
import type { RequestHead } from "../../core/http/http1/head.ts";
import type { Reply } from "../../core/proxy/http/reply.ts";
import type { Target } from "../../base/target.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { UdpAssociations } from "./udp_association.ts";
import type { Relays } from "../net/relay.ts";

export interface InboundOptions {
  readonly relays: Relays;
  readonly outbound: Outbound;
  /** Checks a password; null = none is required. */
  readonly auth: CheckPassword | null;
  /** Without `auth`, a SOCKS5 client may list any methods. */
  readonly anyMethod?: boolean;
  /** SOCKS replies do not tell the outgoing address (BND.ADDR, RFC 1928 section 6). */
  readonly hidesBound?: boolean;
  /** Serves UDP ASSOCIATE of SOCKS5; absent = it is refused. */
  readonly udp?: UdpAssociations;
  /** Answers HTTP requests to the proxy itself; absent = they are refused. */
  readonly ownPage?: ((head: RequestHead) => Reply | null) | undefined;
  readonly signal: AbortSignal;
  /** Milliseconds for a client's request. */
  readonly requestMs: number;
  /**
   * A SOCKS client is told "connected" before it is: its first bytes are sent with the request,
   * and it is reset if the target cannot be reached.
   */
  readonly isEager?: (target: Target) => boolean;
}
