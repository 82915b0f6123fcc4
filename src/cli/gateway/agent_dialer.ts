import { dialAny } from "../../app/net/dial_host.ts";
import { dial } from "../../app/net/dial_events.ts";
import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import { AGENT_PROTOCOL } from "../../core/gateway/agent_messages.ts";
import { TlsDialer } from "../../io/tls/tls_dialer.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";

/** Milliseconds to connect, its TLS handshake included. */
const DIAL_MS = 15_000;

export interface AgentDialerOptions {
  /** Domain that the gateway's certificate must be for. */
  readonly apex: string;
  /** PEM file of the authorities that are trusted; null = the system's. */
  readonly ca: string | null;
  readonly net: Dialer;
  /** Null = the sockets resolve names themselves. */
  readonly resolver: Resolver | null;
  readonly clock: Clock;
  readonly log: Logger;
  readonly opened: AsyncDisposableStack;
}

/** Returns what connects an agent with gateways, which are proved by their certificate. */
export function agentDialer(
  o: AgentDialerOptions,
): (at: HostPort, signal: AbortSignal) => Promise<Connection> {
  const { apex, ca, net, resolver, clock, log, opened } = o;
  const libssl = opened.use(openLibssl());
  const context = opened.use(libssl.clientContext(ca ?? "", [AGENT_PROTOCOL]));
  const dialer = new TlsDialer(net, { context, clock, host: apex, pin: null, log });
  return async (at, signal) => {
    try {
      const timeoutMs = DIAL_MS;
      return resolver === null
        ? await dial(dialer, at, { signal, timeoutMs })
        : await dialAny({ to: at, dialer, resolver, clock, signal, timeoutMs });
    } catch (error) {
      if (!(error instanceof TtunError) || error.kind !== "auth") throw error;
      throw new TtunError(
        "auth",
        `Cannot trust the gateway of ${apex}: its certificate is not by an authority that this agent ` +
          "trusts, or for another name; give the authority by --ca of ttun mesh enroll",
        { cause: error },
      );
    }
  };
}
