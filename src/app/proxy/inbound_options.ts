import type { CheckPassword } from "../../core/proxy/socks/socks5_server.ts";
import type { Target } from "../../base/target.ts";
import type { Connect } from "../net/direct_outbound.ts";
import type { Relays } from "../net/relay.ts";

/** What the clients of a proxy have in common. */
export interface FrontOptions {
  readonly relays: Relays;
  readonly connect: Connect;
  /** Who may use it; null = everybody. */
  readonly auth: CheckPassword | null;
  /**
   * As tt's servers do: a SOCKS5 client is served whatever methods it lists, and no reply names the
   * address that its target is connected from.
   */
  readonly asTt?: boolean;
  readonly signal: AbortSignal;
  /** So long a client has to say what it wants. */
  readonly requestMs: number;
  /**
   * Whether a SOCKS client is told at once that it is connected to this target, before that is so:
   * what it says first then goes along with the wish, and a target that cannot be reached resets it.
   */
  readonly isEager?: (target: Target) => boolean;
}
