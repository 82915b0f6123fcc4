import { ConnectionTarget } from "../../app/gateway/connection_target.ts";
import type { Quota } from "../../app/net/connection_quota.ts";
import { open } from "../../app/net/dial_events.ts";
import { directOutbound } from "../../app/net/direct_outbound.ts";
import { HeadedDialer } from "../../app/net/headed_dialer.ts";
import { Relays } from "../../app/net/relay.ts";
import { ScratchBuffers } from "../../app/net/scratch.ts";
import type { Tunnel } from "../../app/gateway/dial_agent.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import { MAX_CLIENT_HELLO, readClientHello } from "../../core/gateway/client_hello.ts";
import type { HttpService } from "../../core/gateway/publish_target.ts";
import { ticketKeys } from "../../core/gateway/ticket_keys.ts";
import { NamedAcceptor } from "../../io/tls/named_acceptor.ts";
import { NamedContexts } from "../../io/tls/named_contexts.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import type { PlaneTools } from "../plane/run_plane.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
import { FileCertificate } from "./gateway_certificate.ts";
import type { TunnelConfig } from "./plane_config.ts";

type Tools = PlaneTools<SocketPlatform, null>;

/** Milliseconds to connect with a service. */
const CONNECT_MS = 10_000;

/** Bytes that are read at once for any connection. */
const CHUNK = 64 * 1024;

/** Opens a service whose visitors' TLS comes to this agent as it is. @throws {TtunError} usage */
export function openPassthrough(
  { name, rules, passthrough }: TunnelConfig,
  service: HttpService,
  { net, quota }: { readonly net: Dialer; readonly quota: Quota },
  tools: Tools,
): Tunnel {
  const { platform: { clock }, log, signal, opened, resolver } = tools;
  const scratch = new ScratchBuffers(CHUNK);
  const { to, scheme, proxy } = service;
  const files = passthrough?.files ?? null;
  const common = { resolver, clock, connectMs: CONNECT_MS, rules: null };
  const target = new ConnectionTarget({
    name,
    allow: rules.visitors.allow,
    endTls: files === null ? undefined : tlsEnd(files, scheme, tools),
    dial: (visitor, cancel) => {
      const dialer = proxy === null ? net : new HeadedDialer(net, proxy, visitor);
      return open(directOutbound({ ...common, dialer }), to, { signal, cancel });
    },
    relays: opened.use(new Relays({ clock, scratch, idleMs: Infinity, cut: signal })),
    ...{ quota, clock, log, signal },
  });
  return { name, raw: { tls: target.take } };
}

/** Returns what ends visitors' TLS with a certificate in files. @throws {TtunError} usage */
function tlsEnd(
  files: { readonly cert: string; readonly key: string },
  scheme: HttpService["scheme"],
  { platform: { clock }, log, opened }: Tools,
): (visitor: Connection, signal: AbortSignal) => Promise<Connection | null> {
  const certificate = new FileCertificate(files, (message) => log.warn(message));
  const secret = rng(32);
  const contexts = opened.use(
    new NamedContexts({
      libssl: opened.use(openLibssl()),
      protocols: [scheme === "h2c" ? "h2" : "http/1.1"],
      ticketKeys: (name, ticket) => ticketKeys(secret, name, ticket, Date.now()),
      sessionContext: (name) => utf8(name),
    }),
  );
  const acceptor = new NamedAcceptor({
    readHello: readClientHello,
    mostHello: MAX_CLIENT_HELLO,
    choose: async ({ ticket }) => contexts.get("", await certificate.current(), ticket),
    clock,
    log,
  });
  return async (visitor, signal) => (await acceptor.accept(visitor, signal))?.stream ?? null;
}
