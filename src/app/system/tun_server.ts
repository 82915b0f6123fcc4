import { type Cidr, formatCidr } from "../../base/addr.ts";
import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import type { LogFields, Logger } from "../../base/log.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import { onAbort, type Scope, scope } from "../../base/scope.ts";
import type { CongestionChoice, Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { Lease } from "../../core/ip/address_pool.ts";
import type { ClientNetworks } from "../../core/ip/client_networks.ts";
import { offloadText } from "../../core/ip/virtio_net.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import type { PushedSettings } from "../../core/link/v2/pushed.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import { ClientPaths } from "../link/client_paths.ts";
import type { AdmittedLink, ProvedClient } from "../link/candidate.ts";
import { setupFor } from "../link/accept_v2.ts";
import { cipherFields, packetOffer, type WireSecrets } from "../link/config.ts";
import { ExclusiveSlot } from "../link/exclusive_slot.ts";
import { LinkGatekeeper } from "../link/link_gatekeeper.ts";
import { Occupants } from "../link/occupants.ts";
import { SlotPool } from "../link/slot_pool.ts";
import { withStreams } from "../mux/limits.ts";
import { type MuxServer, turnAway } from "../mux/mux_server.ts";
import type { SessionEntry } from "../mux/served_sessions.ts";
import { carryBesidePackets } from "../mux/session_carrier.ts";
import type { PacketFacts } from "../mux/stream_session.ts";
import { acceptAll } from "../net/accept_all.ts";
import type { PendingLimits } from "../net/pending_connections.ts";
import { congestionField, Tuner } from "../net/socket_options.ts";
import type { TunRouter } from "../tun/tun_router.ts";
import { ClientLeases, type LeaseOptions } from "./client_leases.ts";
import { Gateways } from "./gateways.ts";
import { ServedClient } from "./served_client.ts";
import { openStreamHost, type StreamHostOptions, streamScope } from "./stream_server.ts";
import { runSession, sessionDescriber, SessionMeter, warnOfV1 } from "./tun_session.ts";

export interface TunServerOptions {
  /** One or more; their clients share slots, leases and limits. */
  listeners: readonly Listener[];
  router: TunRouter;
  many?: ManyClients;
  /** Called before a client is let in, with the IP address that it comes from. */
  onSession?: (host: string | undefined) => void;
  secrets: WireSecrets;
  /** Has all sessions that there are. */
  sessions?: SessionList | undefined;
  clock: Clock;
  log: Logger;
  /** Undefined = the system's. */
  congestion?: CongestionChoice | undefined;
  signal: AbortSignal;
  limits?: PendingLimits;
  /** Sent to each client of version 2, which may follow it; absent = nothing. */
  pushed?: PushedSettings | undefined;
  /** Serves streams of clients with a device, and of any number of clients without one. */
  streams?: TunStreamOptions;
}

export type TunStreamOptions = Omit<StreamHostOptions, "secrets" | "clock" | "log">;

export interface ManyClients extends LeaseOptions {
  readonly clients: number;
  /** Networks behind some clients, as the router knows them. */
  readonly networks?: ClientNetworks;
}

/** Limits only slots, not handshakes. Throws the error of the device or of a listener. */
export async function runTunServer(o: TunServerOptions): Promise<void> {
  const run = (tasks: Scope, streams: MuxServer | null) => {
    const server = new TunServer({ ...o, signal: tasks.signal }, streams);
    tasks.spawn((signal) => o.router.run(signal));
    acceptAll(tasks, {
      ...o,
      serve: (stream, listener) => server.serve(stream, listener),
      evictIdle: () => server.evictIdle(),
    });
  };
  if (o.streams === undefined) return await scope(o.signal, (tasks) => run(tasks, null));
  const host = { ...o, ...o.streams };
  await streamScope(host, (all) => run(all.tasks, openStreamHost(host, all)));
}

class TunServer {
  readonly #o: TunServerOptions;
  readonly #gatekeeper: LinkGatekeeper;
  readonly #clients: number;
  readonly #slots: ExclusiveSlot | SlotPool;
  readonly #occupants: Occupants;
  /** Null if clients have addresses of their own. */
  readonly #leases: ClientLeases | null;
  readonly #gateways: Gateways;
  readonly #paths: ClientPaths;
  readonly #tuner: Tuner;
  readonly #said: RateLimitedLog;
  /** Null if it carries packets alone. */
  readonly #streams: MuxServer | null;

  constructor(o: TunServerOptions, streams: MuxServer | null) {
    const { clock, log, many, secrets: { wallClock }, router: { device } } = o;
    this.#o = o;
    this.#streams = streams;
    const offer = streams === null ? undefined : withStreams(packetOffer(device.takes));
    this.#gatekeeper = new LinkGatekeeper({ ...o, device, offer });
    this.#clients = many?.clients ?? 1;
    this.#slots = many === undefined ? new ExclusiveSlot(clock) : new SlotPool(clock, many.clients);
    this.#occupants = new Occupants(this.#clients, wallClock);
    this.#leases = many === undefined ? null : new ClientLeases(many, wallClock);
    this.#gateways = new Gateways(many?.networks);
    this.#paths = new ClientPaths(o);
    this.#tuner = new Tuner(log, o.congestion);
    this.#said = new RateLimitedLog(log, () => clock.now(), OF_PEERS);
  }

  /** Drops a connection when descriptors run out; returns false if there is none to drop. */
  evictIdle(): boolean {
    return this.#gatekeeper.evictIdle();
  }

  /** Handles one connection from accept to close. Never throws: an error ends only this one. */
  async serve(stream: Connection, listener: Listener): Promise<void> {
    await using owned = stream;
    const { peer } = owned;
    this.#o.log.debug("connection", { peer });
    try {
      using candidate = await this.#gatekeeper.authenticate(owned, peer);
      if (candidate === null) return;
      if (candidate.streams !== undefined) await this.#serveStreams(owned, candidate.streams);
      else await this.#serveDevice(new ServedClient(owned, listener, candidate));
    } catch (thrown) {
      if (!this.#o.signal.aborted) this.#gatekeeper.reject(thrown, peer);
    }
  }

  /** Serves a client until its key is taken back. */
  async #serveDevice(client: ServedClient): Promise<void> {
    const { revoked } = client.candidate;
    using _revocation = revoked === undefined
      ? null
      : onAbort(revoked, (why) => client.evict(toTtunError(why).message));
    await this.#admit(client);
  }

  async #serveStreams(stream: Connection, client: ProvedClient): Promise<void> {
    this.#tuner.tune(stream);
    if (this.#streams !== null) {
      if (await this.#streams.take(stream, client)) await this.#gatekeeper.fallSilent(stream);
      return;
    }
    this.#said.warn("client turned away: it wants forwards, which are off here", {
      peer: stream.peer,
    });
    const words = "this server has no forwards";
    await turnAway(stream, client, { code: CloseCode.notAllowed, words });
  }

  /** Lets the client in if a slot is or becomes free; otherwise closes without any proof. */
  async #admit(client: ServedClient): Promise<void> {
    const { signal } = this.#o;
    const { both } = client.candidate;
    const refusal = both === undefined ? null : this.#streams?.sessions.refusal(both) ?? null;
    if (both !== undefined && refusal !== null) {
      this.#said.warn("client turned away", { peer: client.peer, why: refusal.words });
      return await turnAway(client.stream, both, refusal);
    }
    if (!await this.#slots.claim(client, signal)) {
      if (!signal.aborted) await this.#turnAway(client);
      return;
    }
    const lease = this.#leases?.lease(client);
    if (lease === null) {
      this.#slots.release(client);
      return await this.#turnAway(client);
    }
    let isDamaged = false;
    try {
      isDamaged = await this.#runSession(client, lease);
    } finally {
      this.#occupants.leave(client);
      this.#gateways.leave(client.name, client);
      if (lease !== undefined) this.#leases?.release(lease);
      this.#slots.release(client);
    }
    if (isDamaged) await this.#gatekeeper.fallSilent(client.stream);
  }

  async #turnAway({ candidate, identity, peer, address }: ServedClient): Promise<void> {
    const why = this.#occupants.has(identity)
      ? "another program with its identity is"
      : this.#clients === 1
      ? "another one is"
      : "enough are";
    this.#said.warn(`client turned away: ${why} connected`, { peer }, address);
    await candidate.refuse(this.#occupants.refusal(identity));
  }

  /** Runs a session to its end; returns true if it ended by a damaged record. */
  async #runSession(client: ServedClient, lease: Lease | undefined): Promise<boolean> {
    const { clock, router, signal } = this.#o;
    const { candidate, peer, address } = client;
    const meter = new SessionMeter(clock, router.counters);
    const ended = (why: string) => ({ peer, why, ...meter.facts(client.link?.rttMs?.()) });
    try {
      await this.#carry(client, lease, meter);
      this.#said.info("disconnected", ended("closed by the client"), address);
      return false;
    } catch (thrown) {
      if (signal.aborted) return false;
      const why = client.evictedFor ?? toTtunError(thrown).message;
      this.#said.warn("disconnected", ended(why), address);
      return candidate.wire === "v2" && thrown instanceof ProtocolError;
    }
  }

  /** Carries packets from the server's proof until the client ends the session. */
  async #carry(
    client: ServedClient,
    lease: Lease | undefined,
    meter: SessionMeter,
  ): Promise<void> {
    const { router, secrets, signal } = this.#o;
    const { candidate, stream, name, peer, address } = client;
    const addresses = lease?.addresses ?? [];
    const { networks, text, isSecond } = this.#gateways.enter(name, client);
    if (isSecond) {
      this.#said.warn(
        "two clients of one name: the networks stay behind the first until it leaves",
        { peer, name, networks: text },
      );
    }
    this.#occupants.enter(client, client.identity);
    // A client of this machine has not given its device the addresses yet.
    this.#o.onSession?.("host" in stream.remote ? stream.remote.host : undefined);
    const entry = await this.#enter(client, addresses);
    const admitted = await candidate.admit(addresses, entry ?? undefined);
    await using link = admitted.link;
    client.link = admitted;
    this.#tuner.tune(stream);
    const { protocol } = stream.stats();
    const limited = {
      warn: (words: string, fields: LogFields = {}) => this.#said.warn(words, fields, address),
    };
    const onUp = () => {
      this.#said.info("authenticated", {
        peer,
        protocol,
        ...congestionField(stream),
        wire: candidate.wire,
        ...cipherFields(admitted),
        ...(entry !== null && { carries: "packets,streams" }),
        offload: offloadText(link.offload),
        ...(name !== "" && { name }),
        ...(addresses.length > 0 && { addresses: addresses.map(formatCidr).join(",") }),
        ...(networks.length > 0 && !isSecond && { networks: text }),
      }, address);
      if (candidate.wire === "v1" && secrets.mode === "auto") warnOfV1(limited, peer);
    };
    const watch = this.#paths.watch(stream, candidate, admitted, client.listener);
    const port = { peer, addresses, networks, traffic: meter.traffic, onUp };
    const known = {
      ...(name !== "" && { name }),
      ...(addresses.length > 0 && { addresses: addresses.map(formatCidr) }),
    };
    const run = () => runSession({ ...admitted, watch }, link, router, port, signal);
    if (entry !== null) {
      return await this.#carryBoth(entry, admitted, { traffic: meter.traffic, known }, run);
    }
    using _listed = this.#o.sessions?.add(sessionDescriber(admitted, meter, peer, known));
    await run();
  }

  /**
   * Begins or resumes the session of a client that wants streams beside packets; null for another.
   * @throws {TtunError} if it gets no session, which it is told
   */
  async #enter(
    { candidate: { both }, stream }: ServedClient,
    addresses: readonly Cidr[],
  ): Promise<SessionEntry | null> {
    if (both === undefined || this.#streams === null) return null;
    const entry = this.#streams.sessions.enter(stream, both, setupFor(addresses, this.#o.pushed));
    if (!("words" in entry)) return entry;
    await turnAway(stream, both, entry);
    throw new TtunError("lost", `The client was turned away: ${entry.words}`);
  }

  /** Has a link with a device's packets carry the client's streams too, while `run` runs it. */
  async #carryBoth(
    entry: SessionEntry,
    { v2 }: AdmittedLink,
    packets: PacketFacts,
    run: () => Promise<void>,
  ): Promise<void> {
    const { sessions, buffers } = this.#streams!;
    const { clock } = this.#o;
    const { number, peerExpected } = entry;
    const carrier = sessions.attach(
      entry,
      ({ mux }) => carryBesidePackets(v2!, mux, number, peerExpected, { clock, buffers }),
    );
    if (carrier === null) throw new TtunError("lost", "The client has begun another session");
    await sessions.carry(entry, carrier, run, packets);
  }
}
