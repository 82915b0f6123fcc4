import { formatCidr } from "../../base/addr.ts";
import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import type { LogFields, Logger } from "../../base/log.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import { onAbort, type Scope, scope } from "../../base/scope.ts";
import type { CongestionChoice, Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { ClientNetworks } from "../../core/ip/client_networks.ts";
import { offloadText } from "../../core/ip/virtio_net.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import type { PushedSettings } from "../../core/link/v2/pushed.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import { ClientPaths } from "../link/client_paths.ts";
import type { AdmittedLink, Candidate, ProvedClient } from "../link/candidate.ts";
import { setupFor } from "../link/accept_v2.ts";
import { cipherFields, packetOffer, type WireSecrets } from "../link/config.ts";
import { ExclusiveSlot } from "../link/exclusive_slot.ts";
import { LinkGatekeeper } from "../link/link_gatekeeper.ts";
import { Occupants } from "../link/occupants.ts";
import { SlotPool } from "../link/slot_pool.ts";
import { UdpListener } from "../link/udp_listener.ts";
import { withStreams } from "../mux/limits.ts";
import { type MuxServer, turnAway } from "../mux/mux_server.ts";
import { idOf, type SessionEntry } from "../mux/served_sessions.ts";
import { carryBesidePackets } from "../mux/session_carrier.ts";
import type { PacketFacts } from "../mux/stream_session.ts";
import { acceptAll } from "../net/accept_all.ts";
import type { PendingLimits } from "../net/pending_connections.ts";
import { congestionField, Tuner } from "../net/socket_options.ts";
import type { TunRouter } from "../tun/tun_router.ts";
import { ClientLeases, type LeaseOptions } from "./client_leases.ts";
import { Gateways } from "./gateways.ts";
import { type HopListening, serveHops } from "./hop_listening.ts";
import { ServedClient } from "./served_client.ts";
import { ServedDevice } from "./served_device.ts";
import { openStreamHost, type StreamHostOptions, streamScope } from "./stream_server.ts";
import { runSession, sessionDescriber, SessionMeter, warnOfV1 } from "./tun_session.ts";

export interface TunServerOptions {
  /** One or more; their clients share slots, leases and limits. */
  listeners: readonly Listener[];
  /** Absent = it listens on no ports that hop. These need streams, whose sessions go on. */
  hops?: HopListening;
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
  using stack = new DisposableStack();
  const { hops, secrets: { wallClock } } = o;
  const run = (tasks: Scope, streams: MuxServer | null) => {
    const server = new TunServer({ ...o, signal: tasks.signal }, streams);
    tasks.spawn((signal) => o.router.run(signal));
    const evictIdle = () => server.evictIdle();
    const listeners = o.listeners.filter((one) => !(one instanceof UdpListener));
    const serve = (stream: Connection, at: Listener) => server.serve(stream, at);
    acceptAll(tasks, { ...o, listeners, evictIdle, serve });
    for (const listener of o.listeners) {
      if (!(listener instanceof UdpListener)) continue;
      tasks.spawn((signal) => server.serveUdp(listener, tasks, signal));
    }
    if (hops === undefined) return;
    serveHops(tasks, stack, hops, {
      ...o,
      evictIdle,
      wallClock,
      serve: (stream) => server.serve(stream, null),
      move: (stream, seconds) => streams?.sessions.move(stream, seconds) ?? false,
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
  /** Devices by their sessions, which may go on by another connection. */
  readonly #devices = new Map<string, ServedDevice>();
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

  /**
   * Handles one connection from accept to close; `listener`: null = it came by a port that hops.
   * Never throws: an error ends only this one.
   */
  async serve(stream: Connection, listener: Listener | null): Promise<void> {
    await using owned = stream;
    const { peer } = owned;
    this.#o.log.debug("connection", { peer });
    try {
      using candidate = await this.#authenticate(owned, peer, listener);
      if (candidate === null) return;
      if (candidate.streams !== undefined) await this.#serveStreams(owned, candidate.streams);
      else await this.#serveDevice(new ServedClient(owned, listener, candidate));
    } catch (thrown) {
      if (!this.#o.signal.aborted) this.#gatekeeper.reject(thrown, peer);
    }
  }

  /** Serves clients of a socket of datagrams, as tasks of the scope. @throws the signal's reason */
  serveUdp(
    { datagrams, serve }: UdpListener,
    tasks: Scope,
    signal: AbortSignal,
  ): Promise<never> {
    const { router: { device }, pushed } = this.#o;
    return serve({
      ...this.#o,
      datagrams,
      device,
      pushed,
      replay: this.#gatekeeper.replay,
      reject: (why, peer) => this.#gatekeeper.reject(why, peer),
      serve: (stream, candidate) => tasks.spawn(() => this.#serveProved(stream, candidate)),
    }).run(signal);
  }

  /** Never throws, as `serve`. */
  async #serveProved(stream: Connection, candidate: Candidate): Promise<void> {
    await using owned = stream;
    try {
      using proved = candidate;
      await this.#serveDevice(new ServedClient(owned, null, proved));
    } catch (thrown) {
      if (!this.#o.signal.aborted) this.#gatekeeper.reject(thrown, stream.peer);
    }
  }

  /** On ports that hop nobody speaks version 1, which would answer a stranger. */
  #authenticate(stream: Connection, peer: string, listener: Listener | null) {
    return this.#gatekeeper.authenticate(stream, peer, listener === null ? "v2" : undefined);
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
    await turnAway(stream, client, { code: CloseCode.notAllowed, words }, this.#o.clock);
  }

  /** Lets the client in if a slot is or becomes free; otherwise closes without any proof. */
  async #admit(client: ServedClient): Promise<void> {
    const { clock, router, signal } = this.#o;
    const { both } = client.candidate;
    const refusal = both === undefined ? null : this.#streams?.sessions.refusal(both) ?? null;
    if (both !== undefined && refusal !== null) {
      this.#said.warn("client turned away", { peer: client.peer, why: refusal.words });
      return await turnAway(client.stream, both, refusal, clock);
    }
    const joined = this.#deviceOf(client);
    if (joined !== null) {
      joined.enter(client);
      return await this.#serveBy(client, joined);
    }
    const device = new ServedDevice(client);
    if (!await this.#slots.claim(device, signal)) {
      if (!signal.aborted) await this.#turnAway(client);
      return;
    }
    const lease = this.#leases?.lease(client);
    if (lease === null) {
      this.#slots.release(device);
      return await this.#turnAway(client);
    }
    device.begin(new SessionMeter(clock, router.counters), lease);
    await this.#serveBy(client, device);
  }

  /** Returns the device whose session goes on by this connection too, and keeps its place. */
  #deviceOf({ candidate: { both } }: ServedClient): ServedDevice | null {
    if (both?.setup.resume === undefined) return null;
    const device = this.#devices.get(idOf(both));
    return device === undefined || device.isEvicted ? null : device;
  }

  /** The device has a place, which it leaves with its last connection. */
  async #serveBy(client: ServedClient, device: ServedDevice): Promise<void> {
    let isDamaged = false;
    try {
      isDamaged = await this.#runSession(client, device);
    } finally {
      if (device.leave(client)) this.#release(device);
    }
    if (isDamaged) await this.#gatekeeper.fallSilent(client.stream);
  }

  #release(device: ServedDevice): void {
    const { lease, name, sessionKey } = device;
    this.#occupants.leave(device);
    this.#gateways.leave(name, device);
    if (sessionKey !== null && this.#devices.get(sessionKey) === device) {
      this.#devices.delete(sessionKey);
    }
    if (lease !== undefined) this.#leases?.release(lease);
    this.#slots.release(device);
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

  /** Runs a connection to its end; returns true if it ended by a damaged record. */
  async #runSession(client: ServedClient, device: ServedDevice): Promise<boolean> {
    const { log, signal } = this.#o;
    const { candidate, peer, address } = client;
    const ended = (why: string) => ({ peer, why, ...device.meter.facts(client.link?.rttMs?.()) });
    try {
      await this.#carry(client, device);
      const why = "closed by the client";
      if (device.hasOthers) log.debug("an older connection has ended", { peer, why });
      else this.#said.info("disconnected", ended(why), address);
      return false;
    } catch (thrown) {
      if (signal.aborted) return false;
      const why = client.evictedFor ?? toTtunError(thrown).message;
      if (device.hasOthers) log.debug("an older connection has ended", { peer, why });
      else this.#said.warn("disconnected", ended(why), address);
      return candidate.wire === "v2" && thrown instanceof ProtocolError;
    }
  }

  /** Carries packets from the server's proof until the client ends the connection. */
  async #carry(client: ServedClient, device: ServedDevice): Promise<void> {
    const { router, secrets, signal } = this.#o;
    const { candidate, stream, peer, address } = client;
    const { addresses, meter, name } = device;
    const isFirst = device.gateway === null;
    const { text, isSecond } = device.gateway ??= this.#gateways.enter(name, device);
    if (isSecond && isFirst) {
      this.#said.warn(
        "two clients of one name: the networks stay behind the first until it leaves",
        { peer, name, networks: text },
      );
    }
    if (isFirst) this.#occupants.enter(device, device.identity);
    // A client of this machine has not given its device the addresses yet.
    this.#o.onSession?.("host" in stream.remote ? stream.remote.host : undefined);
    const entry = await this.#enter(client, device);
    const admitted = await candidate.admit(addresses, entry ?? undefined);
    await using link = admitted.link;
    client.link = admitted;
    this.#tuner.tune(stream);
    const { protocol } = stream.stats();
    const limited = {
      warn: (words: string, fields: LogFields = {}) => this.#said.warn(words, fields, address),
    };
    const onUp = () => {
      this.#said.info(isFirst ? "authenticated" : "session goes on", {
        peer,
        protocol,
        ...congestionField(stream),
        wire: candidate.wire,
        ...cipherFields(admitted),
        ...(entry !== null && { carries: "packets,streams" }),
        offload: offloadText(link.offload),
        ...(name !== "" && { name }),
        ...(addresses.length > 0 && { addresses: addresses.map(formatCidr).join(",") }),
        ...(text !== "" && !isSecond && { networks: text }),
      }, address);
      if (candidate.wire === "v1" && secrets.mode === "auto") warnOfV1(limited, peer);
    };
    const watch = this.#paths.watch(stream, candidate, admitted, client.listener);
    const port = { peer, addresses, name, traffic: meter.traffic, session: device, onUp };
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
    device: ServedDevice,
  ): Promise<SessionEntry | null> {
    if (both === undefined || this.#streams === null) return null;
    const setup = setupFor(device.addresses, this.#o.pushed);
    const entry = this.#streams.sessions.enter(stream, both, setup);
    if (!("words" in entry)) {
      device.sessionKey = idOf(both);
      this.#devices.set(device.sessionKey, device);
      return entry;
    }
    await turnAway(stream, both, entry, this.#o.clock);
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
