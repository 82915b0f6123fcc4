import { formatAddr, formatCidr } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import { offloadText } from "../../core/ip/virtio_net.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import type { LogFields, Logger } from "../../base/log.ts";
import { scope } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { AddressPool, Lease } from "../../core/ip/address_pool.ts";
import type { ClientNetworks } from "../../core/ip/client_networks.ts";
import { ReplayMemory } from "../../core/link/v2/replay_filter.ts";
import { acceptLoop } from "../net/accept_loop.ts";
import { acceptLink, type AdmittedLink, type Candidate } from "../link/accept.ts";
import { Occupants } from "../link/occupants.ts";
import { fallSilent } from "../net/fall_silent.ts";
import { ClientPaths } from "../link/client_paths.ts";
import { addressGroup, HalfOpen, type PendingLimits } from "../net/half_open.ts";
import { ExclusiveSlot, type SlotHolder } from "../link/exclusive_slot.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import { startClose } from "../../base/start_close.ts";
import { droppedSince } from "../tun/counters.ts";
import type { PortOptions, TunRouter } from "../tun/tun_router.ts";
import { SlotPool } from "../link/slot_pool.ts";
import { HANDSHAKE_DEADLINE, Stranger, strangerDeadline } from "../net/stranger.ts";
import { discard } from "../net/discard.ts";
import { Tuner } from "../net/socket_options.ts";
import { runSession, sessionFacts, warnOfV1 } from "./tun_session.ts";
import type { WireSecrets } from "../link/config.ts";

/** Clients come seldom and strangers by thousands: packets have their turn behind a few of them. */
const ACCEPTED_A_TURN = 2;

export interface TunServerOptions {
  listener: Listener;
  router: TunRouter;
  /** Many clients instead of one. */
  many?: ManyClients;
  /** Called for each session before its packets, with the IP address that it comes from. */
  onSession?: (host: string | undefined) => void;
  secrets: WireSecrets;
  clock: Clock;
  log: Logger;
  /** The kernel's name of a congestion control for the connection; undefined = the system's. */
  congestion?: string | undefined;
  signal: AbortSignal;
  limits?: PendingLimits;
}

export interface ManyClients {
  /** How many at a time. */
  readonly clients: number;
  /** The addresses that they are given. */
  readonly pool: AddressPool;
  /** Networks behind some of them; the same that the packet service knows. */
  readonly networks?: ClientNetworks;
  /** Called when leases have changed that are to outlive this process. */
  readonly onLeases?: () => void;
}

/**
 * Serves one authenticated peer at a time until the signal aborts. Handshakes run beside each
 * other; only the place in the tunnel is exclusive.
 * @throws what ends the listener or the device
 */
export async function runTunServer(o: TunServerOptions): Promise<void> {
  await scope(o.signal, (tasks) => {
    const server = new TunServer({ ...o, signal: tasks.signal });
    tasks.spawn((signal) => o.router.run(signal));
    tasks.spawn(() =>
      acceptLoop({
        ...o,
        signal: tasks.signal,
        take: (stream) => tasks.spawn(() => server.serve(stream)),
        budget: ACCEPTED_A_TURN,
        evictIdle: () => server.evictIdle(),
      })
    );
  });
}

class TunServer {
  readonly pending: HalfOpen;
  /** Those whose first bytes were right: strangers push none of them out. */
  readonly #known: HalfOpen;
  readonly #o: TunServerOptions;
  readonly #place: ExclusiveSlot | SlotPool;
  readonly #replay = new ReplayMemory();
  readonly #rejected: RateLimitedLog;
  /** Lines that clients cause. */
  readonly #said: RateLimitedLog;
  readonly #tuner: Tuner;
  readonly #occupants: Occupants;
  /** By the name of clients with networks behind them: their sessions, the first has the networks. */
  readonly #gateways = new Map<string, Set<SlotHolder>>();
  readonly #paths: ClientPaths;

  constructor(o: TunServerOptions) {
    this.#o = o;
    this.pending = new HalfOpen(o.limits);
    this.#known = new HalfOpen(o.limits);
    this.#place = o.many === undefined
      ? new ExclusiveSlot(o.clock)
      : new SlotPool(o.clock, o.many.clients);
    this.#occupants = new Occupants(this.#many, o.secrets.wallClock);
    this.#rejected = new RateLimitedLog(o.log, () => o.clock.now());
    this.#said = new RateLimitedLog(o.log, () => o.clock.now(), OF_PEERS);
    this.#tuner = new Tuner(o.log, o.congestion);
    this.#paths = new ClientPaths(o);
  }

  /** When descriptors run out; false when there is nothing that can go. */
  evictIdle(): boolean {
    return this.pending.dropOldest() || this.#known.dropOldest();
  }

  get #many(): number {
    return this.#o.many?.clients ?? 1;
  }

  /** One connection from accept to close. Never throws: what it meets is its own end only. */
  async serve(stream: Connection): Promise<void> {
    await using owned = stream;
    const peer = formatAddr(owned.remote);
    this.#o.log.debug("connection", { peer });
    try {
      using candidate = await this.#authenticate(owned, peer);
      if (candidate !== null) await this.#admit(owned, candidate, peer);
    } catch (thrown) {
      if (!this.#o.signal.aborted) this.#reject(thrown, peer);
    }
  }

  #reject(thrown: unknown, peer: string): void {
    const error = thrown instanceof Stranger ? thrown : toTtunError(thrown);
    this.#rejected.warn("handshake rejected", { peer, why: error.message });
    if (error instanceof TtunError && error.kind === "internal") {
      this.#o.log.error(error.message, { peer });
    }
  }

  /** Returns when the client has proved the key; null when it was a stranger, who is gone then. */
  async #authenticate(stream: Connection, peer: string): Promise<Candidate | null> {
    let dropped: TtunError | null = null;
    const drop = (why: TtunError) => {
      dropped ??= why;
      stream.reset(); // frees everything at once, here and in the kernel
    };
    const { clock, secrets, router } = this.#o;
    // Where version 2 is spoken a stranger shall learn nothing.
    const deadline = secrets.mode === "v1" ? HANDSHAKE_DEADLINE : strangerDeadline(secrets.rng);
    const makeWay = () => drop(pushedOut());
    using pools = new DisposableStack();
    const stranger = pools.use(this.pending.add(stream.remote, makeWay));
    using _deadline = clock.after(deadline, () => {
      dropped ??= tooSlow();
      // An ordinary end: whether it was a stranger's or only a slow client's tells nobody anything.
      if (secrets.mode !== "v1") startClose(stream);
      else stream.reset();
    });
    const { device } = router;
    try {
      return await acceptLink(stream, {
        secrets,
        clock,
        replay: this.#replay,
        device,
        onRightHello: () => {
          stranger[Symbol.dispose]();
          pools.use(this.#known.add(stream.remote, makeWay));
        },
      });
    } catch (error) {
      if (isAuth(error)) throw error; // it says more than that this was late
      if (dropped !== null || !(error instanceof Stranger)) throw dropped ?? error;
      this.#reject(error, peer);
    }
    await discard(stream, clock).catch(() => {}); // ended by the deadline or by a reset: all the same
    return null;
  }

  /** Lets the client in when the place is or becomes free; otherwise closes without our proof. */
  async #admit(stream: Connection, candidate: Candidate, peer: string): Promise<void> {
    const { clock, signal } = this.#o;
    const by = addressGroup(stream.remote);
    let link: AdmittedLink | null = null;
    const facts = () => ({
      ...sessionFacts(clock, since, traffic, link?.rttMs?.()),
      ...droppedSince(before, this.#o.router.counters),
    });
    let evicted = false;
    let isDamaged = false;
    const tenant: SlotHolder = {
      activity: () => link?.life.activity() ?? 0,
      probe: () => link?.life.probe(),
      isGone: () => stream.stats().peerClosed === true,
      evict: () => {
        evicted = true;
        stream.reset();
      },
      instance: candidate.instance,
      identity: idOf(candidate),
      canBeRefused: candidate.wire === "v2",
      address: addressGroup(stream.remote),
    };
    if (!await this.#place.claim(tenant, signal)) {
      if (!signal.aborted) await this.#turnAway(candidate, peer, by);
      return;
    }
    const lease = this.#lease(candidate, peer);
    if (lease === null) {
      this.#place.release(tenant);
      return await this.#turnAway(candidate, peer, by);
    }
    const since = clock.now();
    const before = { ...this.#o.router.counters };
    const traffic = { sentBytes: 0, receivedBytes: 0 };
    const addresses = lease?.addresses ?? [];
    try {
      const networks = this.#networksFor(candidate, tenant, peer);
      const port = { peer, addresses, networks, traffic };
      this.#occupants.enter(tenant, tenant.identity);
      await this.#carry(stream, candidate, port, tenant, (admitted) => link = admitted);
      this.#said.info("disconnected", { peer, why: "closed by the client", ...facts() }, by);
    } catch (thrown) {
      if (signal.aborted) return;
      const why = evicted
        ? "it is silent, and another client is here"
        : toTtunError(thrown).message;
      this.#said.warn("disconnected", { peer, why, ...facts() }, by);
      isDamaged = candidate.wire === "v2" && thrown instanceof ProtocolError;
    } finally {
      this.#occupants.leave(tenant);
      const name = candidate.identity?.name ?? "";
      const gateways = this.#gateways.get(name);
      gateways?.delete(tenant);
      if (gateways?.size === 0) this.#gateways.delete(name);
      if (lease !== undefined) this.#giveBack(lease);
      this.#place.release(tenant);
    }
    if (isDamaged) await this.#fallSilent(stream);
  }

  /** After a damaged record: the place is another's already, and nothing tells when it was noticed. */
  async #fallSilent(stream: Connection): Promise<void> {
    const { clock, secrets: { rng } } = this.#o;
    using _pending = this.pending.add(stream.remote, () => stream.reset());
    await fallSilent(stream, { clock, rng });
  }

  /** Refuses a client for which there is no place, in words that it can show. */
  async #turnAway(candidate: Candidate, peer: string, by: string): Promise<void> {
    const identity = idOf(candidate);
    const why = this.#occupants.has(identity)
      ? "another program with its identity is"
      : this.#many === 1
      ? "another one is"
      : "enough are";
    this.#said.warn(`client turned away: ${why} connected`, { peer }, by);
    await candidate.refuse(this.#occupants.refusal(identity));
  }

  /** Addresses for the client; undefined where it has its own, null where it has some already. */
  #lease(candidate: Candidate, peer: string): Lease | null | undefined {
    const { many, secrets } = this.#o;
    if (many === undefined) return undefined;
    const { id = null, name = "", wishes = [] } = candidate.identity ?? {};
    // Without an identity the owner is the client's process.
    const owner = id === null ? `process:${candidate.instance ?? peer}` : toHex(id);
    const claim = { owner, isKept: id !== null, name, wishes };
    const lease = many.pool.lease(claim, secrets.wallClock());
    if (lease?.isKept === true) many.onLeases?.();
    return lease;
  }

  #giveBack(lease: Lease): void {
    const { many, secrets } = this.#o;
    many?.pool.release(lease, secrets.wallClock());
    if (lease.isKept) many?.onLeases?.();
  }

  /**
   * Networks behind a client of that name. Where two have one name they are the first's until it
   * leaves: it may be dead, and the second the same client with another identity.
   */
  #networksFor(candidate: Candidate, tenant: SlotHolder, peer: string): readonly number[] {
    const { many } = this.#o;
    const name = candidate.identity?.name ?? "";
    const networks = many?.networks?.of(name) ?? [];
    if (networks.length === 0) return [];
    const gateways = this.#gateways.get(name) ?? new Set();
    this.#gateways.set(name, gateways.add(tenant));
    if (gateways.size > 1) {
      this.#said.warn(
        "two clients of one name: the networks stay behind the first until it leaves",
        {
          peer,
          name,
          networks: many?.networks?.text(networks),
        },
      );
    }
    return networks;
  }

  /** One session, from our proof to its end. */
  async #carry(
    stream: Connection,
    candidate: Candidate,
    port: PortOptions,
    tenant: SlotHolder,
    onLink: (admitted: AdmittedLink) => void,
  ): Promise<void> {
    const { router, secrets, signal, many } = this.#o;
    const { peer, addresses, networks = [] } = port;
    const name = candidate.identity?.name ?? "";
    const [gateway] = this.#gateways.get(name) ?? [];
    const hasNetworks = networks.length > 0 && gateway === tenant;
    const admitted = await candidate.admit(addresses);
    await using link = admitted.link;
    onLink(admitted);
    this.#tuner.tune(stream);
    const { protocol } = stream.stats();
    const by = addressGroup(stream.remote);
    const quiet = {
      warn: (words: string, fields: LogFields = {}) => this.#said.warn(words, fields, by),
    };
    const onUp = () => {
      this.#said.info("authenticated", {
        peer,
        protocol,
        wire: candidate.wire,
        offload: offloadText(link.offload),
        ...(name !== "" && { name }),
        ...(addresses.length > 0 && { addresses: addresses.map(formatCidr).join(",") }),
        ...(hasNetworks && { networks: many?.networks?.text(networks) }),
      }, addressGroup(stream.remote));
      if (candidate.wire === "v1" && secrets.mode === "auto") warnOfV1(quiet, peer);
    };
    this.#o.onSession?.("host" in stream.remote ? stream.remote.host : undefined);
    const watch = this.#paths.watch(stream, candidate, admitted);
    await runSession({ ...admitted, watch }, link, router, { ...port, onUp }, signal);
  }
}

/** The client's identity in hex; undefined where it keeps none. */
function idOf({ identity }: Candidate): string | undefined {
  return identity?.id == null ? undefined : toHex(identity.id);
}

function isAuth(error: unknown): boolean {
  return error instanceof TtunError && error.kind === "auth";
}

function pushedOut(): TtunError {
  return new TtunError("exhausted", "Dropped: too many connections wait for their handshake");
}

function tooSlow(): TtunError {
  return new TtunError("timeout", "Dropped: the handshake took too long");
}
