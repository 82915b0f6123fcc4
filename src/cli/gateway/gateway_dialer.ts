import { dialAny } from "../../app/net/dial_host.ts";
import { dial } from "../../app/net/dial_events.ts";
import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import { TlsDialer } from "../../io/tls/tls_dialer.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";

/** Milliseconds to connect, its TLS handshake included. */
const DIAL_MS = 15_000;

export interface GatewayDialerOptions {
  /** Name that is asked for, and that the gateway's certificate must be for. */
  readonly host: string;
  /** Protocol of the connection (ALPN). */
  readonly protocol: string;
  /** Option that names an authority, for a message. */
  readonly remedy: string;
  /** PEM file of the authorities that are trusted; null = the system's. */
  readonly ca: string | null;
  readonly net: Dialer;
  /** Null = the sockets resolve names themselves. */
  readonly resolver: Resolver | null;
  readonly clock: Clock;
  readonly log: Logger;
  readonly opened: AsyncDisposableStack;
}

/** `life`: ends the connection, once it is there, in place of `signal`. */
export type DialGateway = (
  at: HostPort,
  signal: AbortSignal,
  o?: { readonly life?: AbortSignal; readonly timeoutMs?: number; readonly turn?: number },
) => Promise<Connection>;

/** Returns what connects with gateways, which are proved by their certificate. */
export function gatewayDialer(o: GatewayDialerOptions): DialGateway {
  const { host, protocol, remedy, ca, net, resolver, clock, log, opened } = o;
  const libssl = opened.use(openLibssl());
  const context = opened.use(libssl.clientContext(ca ?? "", [protocol]));
  const dialer = new TlsDialer(net, { context, clock, host, pin: null, log });
  return async (at, signal, { life = signal, timeoutMs = DIAL_MS, turn = 0 } = {}) => {
    try {
      if (resolver === null) {
        return await dial(dialer, at, { signal: life, cancel: signal, timeoutMs });
      }
      const names = turned(resolver, turn);
      return await dialAny({ to: at, dialer, resolver: names, clock, signal, life, timeoutMs });
    } catch (error) {
      if (!(error instanceof TtunError) || error.kind !== "auth") throw error;
      throw new TtunError(
        "auth",
        `Cannot trust the gateway of ${host}: its certificate is not by an authority that is ` +
          `trusted here, or for another name; give the authority by ${remedy}`,
        { cause: error },
      );
    }
  };
}

/** Gives a name's addresses by turns: one that answers, and leads nowhere, is not always the first. */
function turned(resolver: Resolver, turn: number): Resolver {
  return {
    resolve: async (host, o) => {
      const found = await resolver.resolve(host, o);
      const start = turn % Math.max(1, found.length);
      return [...found.slice(start), ...found.slice(0, start)];
    },
  };
}
