import { AgentGate } from "../../app/gateway/agent_gate.ts";
import { AgentRoutes } from "../../app/gateway/agent_routes.ts";
import { Draining } from "../../app/gateway/draining.ts";
import { ConnectVisitors } from "../../app/gateway/connect_visitors.ts";
import { Gateway } from "../../app/gateway/gateway.ts";
import { GatewayCounts } from "../../app/gateway/gateway_counts.ts";
import type { CertificateReport } from "../../app/gateway/certificates/certificate_report.ts";
import type { Measure } from "../../app/mesh/http/node_metrics.ts";
import { DEFAULT_LIMITS, limitsFor } from "../../app/net/connection_limits.ts";
import { Quota } from "../../app/net/connection_quota.ts";
import { GatewayDirectory } from "../../app/gateway/gateway_directory.ts";
import { gatewayPages } from "../../app/gateway/gateway_pages.ts";
import { HopLinks } from "../../app/gateway/hop_links.ts";
import { LineBatch } from "../../app/gateway/line_batch.ts";
import { HopService } from "../../app/gateway/hop_service.ts";
import { Names } from "../../app/gateway/names.ts";
import type { AdmissionDesk } from "../../app/mesh/admission/admission_desk.ts";
import { RawVisitors } from "../../app/gateway/raw_visitors.ts";
import { RemoteRoutes } from "../../app/gateway/remote_routes.ts";
import type { NodeServices } from "../../app/mesh/carriers/channel_listener.ts";
import type { V2Carrier } from "../../app/mesh/carriers/v2_carrier.ts";
import { write } from "../../app/loop/stream_io.ts";
import { dialAny } from "../../app/net/dial_host.ts";
import { Relays } from "../../app/net/relay.ts";
import { ScratchBuffers } from "../../app/net/scratch.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";
import { clientMemory } from "../../app/mux/session_memory.ts";
import { HeldConnection } from "../../app/net/held_connection.ts";
import { isAmong, ProxyAcceptor } from "../../app/net/proxy_acceptor.ts";
import { acceptLoop } from "../../app/net/accept_loop.ts";
import { addressGroup } from "../../app/net/address_group.ts";
import { formatAddr, type HostPort, parseHostPort } from "../../base/addr.ts";
import { toHex, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { MeshStore } from "../../contract/mesh_store.ts";
import { AGENT_PROTOCOL } from "../../core/gateway/agent_messages.ts";
import { MAX_CLIENT_HELLO, readClientHello } from "../../core/gateway/client_hello.ts";
import { requireDelegation } from "../../core/gateway/host_challenge.ts";
import { isHostName, publicNameOf } from "../../core/gateway/label.ts";
import { RAW_PROTOCOLS, rawKindOf } from "../../core/gateway/raw_service.ts";
import { ticketKeys } from "../../core/gateway/ticket_keys.ts";
import { Http1Server, type MakePage } from "../../core/http/http1/server.ts";
import { Http2Server } from "../../core/http/http2/server.ts";
import { HTTP3_PROTOCOL } from "../../core/http/http3/constants.ts";
import { Http3Server } from "../../core/http/http3/server.ts";
import { accessJson, accessLine } from "../../core/http/policy/access_log.ts";
import { derive } from "../../core/link/v2/secrets.ts";
import { encode64 } from "../../core/mesh/base64.ts";
import { OPEN_BITS } from "../../core/mesh/admission/open_work.ts";
import { encodeNonce } from "../../core/mesh/admission/join_answer.ts";
import { NONCE_SIZE } from "../../core/mesh/admission/join_request.ts";
import { verifyEd25519 } from "../../io/crypto/ed25519.ts";
import type { QuicHost } from "../../io/quic/quic_host.ts";
import { NamedAcceptor, type TakeConnection } from "../../io/tls/named_acceptor.ts";
import { NamedContexts } from "../../io/tls/named_contexts.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import type { HeldNode } from "../mesh/held_node.ts";
import type { MeshTools } from "../mesh/mesh_tools.ts";
import type { AcmeConfig, GatewayConfig } from "../mesh/plane_config.ts";
import { rng } from "../platform/rng.ts";
import { openCertificates } from "./open_certificates.ts";
import { agentWire } from "./agent_wire.ts";
import { hostDelegation } from "./host_delegation.ts";
import { FileCertificate, IssuedCertificate } from "./gateway_certificate.ts";
import { Http3Gateway } from "./open_http3.ts";

/** Bytes that are read at once for any connection. */
const SCRATCH = 64 * 1024;

/** Requests of one address that may be under way, and raw connections; an agent's link has places for 16 384. */
const MOST_REQUESTS = 1024;

/** Milliseconds to connect with the server that has other names. */
const FALLBACK_MS = 5_000;

/** Seconds of silence until a visitor's machine is asked whether it is still there. */
const KEEP_ALIVE = 60;

export interface GatewayParts {
  readonly held: HeldNode;
  readonly store: MeshStore;
  /** Takes requests for certificates, wherever the authority's key is. */
  readonly desk: AdmissionDesk;
  /** Null = certificates are in files, or the cluster's own. */
  readonly acme: AcmeConfig | null;
  /** The node's own. */
  readonly folder: string;
  readonly isRevoked: (id: Uint8Array) => boolean;
  /** The ring knows that a node does not answer, or has left. */
  readonly isDead: (node: NodeKey) => boolean;
  /** Links with another node for its services. @throws {TtunError} */
  readonly dialNode: (node: NodeKey) => Promise<V2Carrier>;
  /** Null = there is no HTTP/3. */
  readonly quic: QuicHost | null;
}

export interface OpenedGateway {
  /** Where visitors come, for the log. */
  readonly at: string;
  /** For other nodes, which pass their visitors' requests on. */
  readonly services: NodeServices;
  /** Numbers for the node's metrics. */
  measures(): readonly Measure[];
  /** Certificates of the public authority. */
  certificates(): readonly CertificateReport[];
  /** Ends the links of an agent that was revoked. */
  closeAgent(id: Uint8Array): void;
  /** Has agents and visitors go to other gateways; resolves when all that was under way is over. */
  drain(): Promise<void>;
  /** Serves until the signal aborts. */
  run(): Promise<never>;
}

/** Opens a node's gateway. @throws {TtunError} in_use, privilege, usage, system */
export function openGateway(
  config: GatewayConfig,
  { held, store, desk, isRevoked, isDead, dialNode, acme, folder, quic }: GatewayParts,
  tools: MeshTools,
): OpenedGateway {
  const { listen, apex, files, accessLog, advertise, redirect, fallback, isOpen } = config;
  const { opened, log, signal, ciphers, platform } = tools;
  if (!held.roles.includes("gateway")) {
    throw new TtunError("usage", "Cannot use --gateway: the node has not the role gateway");
  }
  const { clock, libc } = platform;
  const warn = (message: string) => log.warn(message);
  const certificate = files === null
    ? new IssuedCertificate(apex, { held, desk, signal })
    : new FileCertificate(files, warn);
  const zone = acme?.zone ?? apex;
  const issued = acme === null ? null : openCertificates(acme, { folder, held, store }, tools);
  const libssl = opened.use(openLibssl());
  const contexts = opened.use(
    new NamedContexts({
      libssl,
      protocols: ["h2", "http/1.1", AGENT_PROTOCOL, RAW_PROTOCOLS.tcp, RAW_PROTOCOLS.link],
      // All nodes have that secret: a visitor resumes at any of them.
      ticketKeys: (name, ticket) => ticketKeys(held.state.secrets[0]!, name, ticket, Date.now()),
      sessionContext: (name) => derive(null, "mesh session", utf8(name)),
    }),
  );
  const net = platform.openNet({
    io: libc === null ? "deno" : "ffi",
    mptcp: false,
    segmentBytes: {},
  }, log);
  const draining: Draining = new Draining({
    clock,
    log,
    moveAgents: async () => {
      await Promise.all([directory.leave(signal), gate.drain()]);
    },
    visitors: () => places.count,
    open: () => counts.open + services.open,
  });
  const taking = AbortSignal.any([signal, draining.begun]);
  const listener = opened.use(net.listen(listen, { signal: taking }));
  const port = "path" in listener.addr ? listen.port : listener.addr.port;
  const routes = new AgentRoutes(clock);
  const self = toHex(held.facts.nodeId);
  const directory = new GatewayDirectory({
    ...{ store, clock, log, self },
    host: held.facts.host,
    address: formatAddr(advertise ?? { host: ownHost(held) ?? apex, port }),
  });
  const remote = new RemoteRoutes({
    ...{ store, clock, now: Date.now, apex, self, signal },
    trust: () => ({ authorities: held.state.authorities, verify: verifyEd25519, isRevoked }),
    isDead,
  });
  const hops = opened.use(new HopLinks({ clock, dial: dialNode }));
  const { total, perAddress } = limitsFor(DEFAULT_LIMITS, platform.descriptors, log, 1);
  const places = new Quota({ total, perAddress });
  const relays = opened.use(
    new Relays({ clock, scratch: new ScratchBuffers(SCRATCH), idleMs: Infinity, cut: signal }),
  );
  const raw = new RawVisitors({
    ...{ routes, remote, hops, relays, clock, log },
    places: new Quota({ total: Infinity, perAddress: MOST_REQUESTS }),
  });
  const services = new HopService({ routes, relays });
  const gate = new AgentGate({
    secrets: () => agentWire(ciphers),
    clock,
    memory: clientMemory(),
    signal,
    log,
    authorities: () => held.state.authorities,
    verify: verifyEd25519,
    now: Date.now,
    isRevoked,
    names: new Names({
      ...{ store, now: Date.now },
      prove: async (host, agent, signal) =>
        requireDelegation({ host, agent, zone }, await hostDelegation(host, log, signal)),
    }),
    routes,
    store,
    self,
    others: () => directory.others,
    apex,
    port,
    enroll: async (messages, signal) => {
      const nonce = rng(NONCE_SIZE);
      await messages.write(encodeNonce(nonce, isOpen ? OPEN_BITS : null));
      await messages.write(await desk.answer(await messages.need(), nonce, signal));
    },
  });
  const counts = new GatewayCounts();
  const accessLines = opened.use(
    new LineBatch(clock, (line) => tools.port.report({ kind: "print", line, isProgress: false })),
  );
  const requestId = () => toHex(rng(8));
  const gateway: Gateway = new Gateway({
    apex,
    routes,
    remote,
    hops,
    clock,
    draining: draining.begun,
    log,
    scratch: new Uint8Array(SCRATCH),
    port,
    makeServer: (scheme, protocol) => {
      const makePage: MakePage = (status, words) =>
        gatewayPages.unreadable(requestId(), status, words);
      const websocketKey = () => encode64(rng(16));
      if (protocol === HTTP3_PROTOCOL) return new Http3Server({ scheme, makePage, websocketKey });
      if (protocol !== "h2") return new Http1Server({ scheme, makePage });
      return new Http2Server({ scheme, makePage, websocketKey, now: () => clock.now() });
    },
    alternative: () => http3?.isOpen === true ? `h3=":${port}"; ma=86400` : null,
    requestId,
    isWebProxy: (visitor) => isAmong(config.forwardedFrom, visitor.remote),
    places: new Quota({ total: Infinity, perAddress: MOST_REQUESTS }),
    now: Date.now,
    counts,
    access: (entry) => {
      if (accessLog === "off") return;
      accessLines.add(accessLog === "json" ? accessJson(entry) : accessLine(entry));
    },
  });
  const takeForeign: TakeConnection | null = fallback === null ? null : (inner, hello) => {
    visit(inner, () => passOn(inner, hello, fallback)).catch((error) => {
      if (!signal.aborted) log.debug("A connection of another name failed", { why: `${error}` });
    }).finally(() => startClose(inner));
  };
  /** Returns what knows agents of a name; null = there is none; "closed": no node may end its TLS now. */
  const waysTo = async (name: string, { remote: from }: Connection) => {
    if (routes.has(name)) return routes;
    const found = await remote.find(name, addressGroup(from));
    if (found?.[0] !== undefined) return remote;
    return found !== null && remote.mayEndTls(name) ? null : "closed";
  };
  const passThrough = (inner: Connection, label: string) => {
    void visit(inner, () => raw.serve(inner, "tls", label)); // it never rejects
  };
  const ofApex = (cancel: AbortSignal) => issued?.ofApex(cancel) ?? certificate.current(cancel);
  const http3: Http3Gateway | null = quic === null ? null : opened.use(
    new Http3Gateway({
      quic,
      at: { host: listen.host, port },
      certificate: ofApex,
      serve: (stream) => gateway.serve(stream, HTTP3_PROTOCOL),
      places,
      ...{ clock, log, signal, draining: draining.begun },
    }),
  );
  const acceptor = new NamedAcceptor({
    readHello: readClientHello,
    mostHello: MAX_CLIENT_HELLO,
    choose: async ({ name, protocols, ticket }, client, cancel) => {
      const isApex = name === null || name === apex;
      const published = isApex ? null : publicNameOf(name, apex);
      if (!isApex && published === null) return takeForeign;
      const found = published === null ? null : await waysTo(published, client);
      const ways = found === "closed" ? null : found;
      if (ways === null && published !== null && isHostName(published)) return takeForeign;
      if (found === "closed") return null;
      // Agents know the cluster's authority, whatever comes of the public one.
      const isAgent = issued !== null && protocols.includes(AGENT_PROTOCOL);
      if (isAgent) return contexts.get(AGENT_PROTOCOL, await certificate.current(cancel), ticket);
      if (published !== null && ways?.isPassthrough(published)) {
        return (inner, hello) => passThrough(new HeldConnection(inner, hello), published);
      }
      const agent = published === null || !isHostName(published)
        ? null
        : ways?.agentOf(published) ?? null;
      const pair = await (published === null || agent === null
        ? ofApex(cancel)
        : issued?.ofHost(published, agent, cancel) ?? certificate.current(cancel));
      // Names that nobody has published share a context: strangers would have many made.
      return contexts.get(isApex || ways !== null ? name ?? "" : "-", pair, ticket);
    },
    clock,
    log,
  });
  const serve = async (inner: Connection) => {
    const arrival = await acceptor.accept(inner, signal);
    if (arrival === null) return;
    const { stream, protocol, name } = arrival;
    if (protocol === AGENT_PROTOCOL) return await gate.accept(stream);
    const rawKind = rawKindOf(protocol);
    if (rawKind !== null) {
      const published = name === null ? null : publicNameOf(name, apex);
      if (published === null) return stream.reset();
      return await visit(stream, () => raw.serve(stream, rawKind, published));
    }
    await visit(stream, () => gateway.serve(stream, protocol));
  };
  // A visitor has a place among all, which it may lose to another address when that has few.
  const visit = async (stream: Connection, run: () => Promise<void>) => {
    stream.setOptions({ keepAliveSeconds: KEEP_ALIVE });
    const since = clock.now();
    using place = places.take(stream.remote, {
      account: "",
      lastActive: since,
      evict: () => stream.reset(),
    });
    if (place === null) stream.reset();
    else await run();
  };
  /** Carries a connection for a name of others as it is. */
  const passOn = async (inner: Connection, hello: Uint8Array, to: HostPort) => {
    const dialling = { to, dialer: net, resolver: tools.resolver, clock, signal };
    await using target = await dialAny({ ...dialling, timeoutMs: FALLBACK_MS });
    await write(target, hello);
    await relays.run(inner, target);
  };
  const proxies = new ProxyAcceptor({ from: config.proxyProtocolFrom, clock, log });
  const redirecting = (inner: Connection) => gateway.redirect(inner);
  const connects = new ConnectVisitors({ apex, raw, clock, other: redirecting });
  const servePlain = (inner: Connection) =>
    config.connectsPlain ? connects.serve(inner) : redirecting(inner);
  const plain = redirect === null ? null : opened.use(net.listen(redirect, { signal: taking }));
  const accepting = (listener: Listener, serve: (inner: Connection) => Promise<void>) =>
    acceptLoop({
      listener,
      clock,
      log,
      signal,
      take: (inner) => {
        const arrived = proxies.isProxy(inner)
          ? proxies.accept(inner).then((visitor) => visitor === null ? undefined : serve(visitor))
          : serve(inner);
        arrived.catch((error) => {
          if (!signal.aborted) log.error("A visitor's connection failed", { why: String(error) });
          startClose(inner);
        });
      },
      evictIdle: () => acceptor.endOldest(),
    }).catch((error) => {
      if (!draining.begun.aborted) throw error;
      return aborted(signal);
    });
  return {
    at: formatAddr({ host: listen.host, port }),
    services,
    measures: () => [
      ...counts.measures({
        agents: gate.count,
        names: routes.count,
        handshakes: acceptor.pending,
      }),
      ...raw.measures(),
      ...(issued?.measures() ?? []),
    ],
    certificates: () => issued?.report() ?? [],
    closeAgent: (id) => gate.close(id),
    drain: () => draining.run(),
    run: () =>
      Promise.race([
        directory.run(signal),
        ...(issued === null ? [] : [issued.run()]),
        accepting(listener, serve),
        ...(http3 === null ? [] : [http3.run()]),
        ...(plain === null
          ? []
          : [accepting(plain, (inner) => visit(inner, () => servePlain(inner)))]),
      ]),
  };
}

/** Never resolves. @throws the signal's reason, when it aborts */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => void onAbort(signal, reject));
}

/** Returns the host at which other nodes reach this one; null = nowhere. */
function ownHost({ state: { facts: { address } } }: HeldNode): string | null {
  return address === "" ? null : parseHostPort(address).host;
}
