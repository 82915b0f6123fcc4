import { type Addr, formatCidr } from "../../base/addr.ts";
import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import { onAbort, type Scope, scope } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import { offloadText } from "../../core/ip/virtio_net.ts";
import { NOTHING_PUSHED } from "../../core/link/v2/pushed.ts";
import { Backoff } from "../../core/net/backoff.ts";
import { cipherFields, type PeerLink } from "../link/config.ts";
import { sleep } from "../loop/sleep.ts";
import { endsSession } from "../mux/current_session.ts";
import { NextCarrier } from "../mux/next_carrier.ts";
import { isRelayed } from "../net/is_relayed.ts";
import { congestionField } from "../net/socket_options.ts";
import type { PortOptions } from "../tun/tun_router.ts";
import { SmallerSegments } from "./segment_limits.ts";
import { type AttemptOptions, joinServer, type TunLink } from "./tun_link.ts";
import { runSession, sessionDescriber, SessionMeter, warnOfV1 } from "./tun_session.ts";

/** Milliseconds; well below the time that any server waits (docs/wire/link-v2.md, TLV 04). */
const PROBE_EVERY = 2_000;

/** Milliseconds between two looks at a link that is to take the place of others. */
const LOOK_MS = 50;

/** Milliseconds for packets that wait in links which were replaced. */
const DRAIN_MS = 2_000;

/** A session of a client, from its first dial to its end: one link, or one after the other. */
export class TunAttempt {
  readonly #o: AttemptOptions;
  readonly #next: NextCarrier;
  /** Links that live, the oldest first. */
  readonly #links = new Set<TunLink>();
  #meter: SessionMeter | null = null;
  #newest: TunLink | null = null;
  /** The addresses that the server gave have been taken, and which they were. */
  #hasTaken = false;
  #given = "";

  constructor(o: AttemptOptions) {
    const { clock, log, secrets: { rng } } = o;
    this.#o = o;
    this.#next = new NextCarrier({
      clock,
      log,
      rng,
      backoff: new Backoff(),
      join: async (tasks, signal, how) => this.#spawn(tasks, await joinServer(o, signal, how)),
    });
  }

  /** Milliseconds since the session began; null = it did not. */
  get ms(): number | null {
    return this.#meter?.ms ?? null;
  }

  facts(): Record<string, number> {
    return this.#meter?.facts(this.#newest?.peer.rttMs?.()) ?? {};
  }

  /**
   * True if the server hung up while a ping was unanswered: one that sees its own segments get lost
   * does, and tells the next connection which size passes.
   */
  isUnanswered(): boolean {
    const link = this.#newest;
    return link !== null && !link.hungUp && link.peer.isUnanswered?.() === true;
  }

  /** Returns when the server has ended the session; throws any other end, or why none began. */
  async run(): Promise<void> {
    const { clock, router, sessionEnded } = this.#o;
    try {
      // A scope for each session: all that hangs on its signal goes with it.
      await scope(this.#o.signal, async (tasks) => {
        const first = await joinServer(this.#o, tasks.signal, { isLeaving: false });
        this.#meter = new SessionMeter(clock, router.counters);
        this.#spawn(tasks, first);
      });
    } finally {
      if (this.#hasTaken) sessionEnded?.();
    }
  }

  /** Runs a link. The session ends with the last one, or with one that nobody can go on with. */
  #spawn(tasks: Scope, link: TunLink): void {
    this.#links.add(link);
    this.#newest = link;
    tasks.spawn(async (signal) => {
      let failure: TtunError | null = null;
      try {
        await this.#run(tasks, link, signal);
      } catch (thrown) {
        failure = toTtunError(thrown);
      }
      this.#links.delete(link);
      this.#newest = [...this.#links].at(-1) ?? link;
      signal.throwIfAborted();
      if (!this.#goesOn(failure)) {
        if (failure !== null) throw failure;
        return tasks.cancel();
      }
      const why = failure?.message ?? "the server closed it";
      this.#o.log.debug("an older connection has ended", { why });
    });
  }

  /** Returns whether the session goes on by another link when one has ended. */
  #goesOn(failure: TtunError | null): boolean {
    if (this.#o.streams?.hasSession !== true) return false;
    if (failure !== null && (failure instanceof SmallerSegments || endsSession(failure))) {
      return false;
    }
    return !(failure instanceof OtherSession) && [...this.#links].some((one) => !one.isReplaced);
  }

  async #run(tasks: Scope, link: TunLink, signal: AbortSignal): Promise<void> {
    const { serverPaths, streams } = this.#o;
    const { stream, peer } = link;
    await scope(signal, async (own) => {
      await using owned = new AsyncDisposableStack();
      owned.use(stream);
      using _registration = onAbort(own.signal, () => startClose(stream));
      await using _link = peer.link;
      using _streams = {
        [Symbol.dispose]: () => void (peer.v2 !== undefined && streams?.leave(peer.v2)),
      };
      using watch = serverPaths.watch(own);
      watch.connected(stream);
      const port = this.#portOf(link);
      watch.begun(peer, port.peer);
      try {
        await this.#withStreams(peer, port, async () => {
          if (this.#hasTaken) this.#checkSame(peer);
          else await this.#takeAddresses(peer, stream.remote, own.signal);
          await this.#carry(tasks, link, port, own.signal);
        });
      } catch (error) {
        if (peer.wire === "v2" && error instanceof ProtocolError) {
          owned.move();
          void this.#o.damaged.keep(stream); // never rejects, and outlives the session
        }
        throw error;
      }
    });
  }

  /** Runs a link, which carries streams too if the client has some and the server can. */
  async #withStreams(
    peer: PeerLink,
    { peer: at, traffic }: PortOptions,
    run: () => Promise<void>,
  ): Promise<void> {
    const { hasForwards, sessions, streams } = this.#o;
    const { v2 } = peer;
    if (v2 !== undefined && streams?.areOn(v2) === true) {
      return await streams.carry(v2, { traffic }, run);
    }
    if (hasForwards) streams?.warnOfNone(peer.wire);
    using _listed = sessions?.add(sessionDescriber(peer, this.#meter!, at));
    await run();
  }

  #portOf({ stream, peer }: TunLink): PortOptions {
    const { hasForwards, log, secrets, streams } = this.#o;
    const at = stream.peer;
    const { protocol } = stream.stats();
    const isFirst = !this.#hasTaken;
    const onUp = () => {
      log.info(isFirst ? "authenticated" : "session goes on", {
        server: at,
        protocol,
        ...congestionField(stream),
        wire: peer.wire,
        ...cipherFields(peer),
        ...(hasForwards && streams?.areOn(peer.v2) && { carries: "packets,streams" }),
        offload: offloadText(peer.link.offload),
      });
      if (peer.wire === "v1" && secrets.mode === "auto") warnOfV1(log, at);
    };
    return { peer: at, addresses: [], traffic: this.#meter!.traffic, session: this, onUp };
  }

  async #carry(tasks: Scope, link: TunLink, port: PortOptions, signal: AbortSignal): Promise<void> {
    const { router, segments, streams } = this.#o;
    const { stream, peer, told } = link;
    const watch = async (signal: AbortSignal) => {
      const size = segments.watch(stream, signal);
      const silence = peer.watch?.(signal);
      const smaller = await Promise.race([size, told, ...silence ? [silence] : []])
        .catch((error) => {
          if (!signal.aborted) {
            link.hungUp = true;
            segments.learnFromSilence(stream);
          }
          throw error;
        });
      if (smaller !== undefined) throw segments.limit(stream, smaller);
    };
    await scope(signal, async (running) => {
      if (streams?.areOn(peer.v2)) this.#watchNext(tasks, link, running);
      await runSession({ ...peer, watch }, peer.link, router, port, running.signal);
      running.cancel();
    });
  }

  /** Has the session go on from link to link. */
  #watchNext(tasks: Scope, link: TunLink, running: Scope): void {
    const { peer, stream } = link;
    const streams = this.#o.streams!;
    streams.onMove = (seconds) => this.#next.leave(tasks, seconds);
    const watched = {
      isNewest: () => this.#newest === link,
      isSuspect: () => peer.isSuspect?.() === true,
    };
    // Another command or a socket's other end may be another server, which knows no session.
    if (!("dialer" in this.#o.server)) running.spawn((s) => this.#next.watch(tasks, watched, s));
    if (isRelayed(stream)) running.spawn((s) => this.#next.seekDirect(tasks, watched, s));
    running.spawn((s) => this.#replaceOlder(link, s));
  }

  /** Ends older links when the server has been heard on this one, and what they had is sent. */
  async #replaceOlder(link: TunLink, signal: AbortSignal): Promise<void> {
    const { clock, streams } = this.#o;
    const older = [...this.#links].filter((one) => one !== link);
    const channel = link.peer.v2!.channel;
    if (older.length === 0) return;
    while (channel.heard === 0) await sleep(clock, LOOK_MS, signal);
    const until = clock.now() + DRAIN_MS;
    const isBusy = ({ peer }: TunLink) =>
      peer.v2!.channel.writer.mutex.isBusy && !peer.isSuspect?.();
    while (older.some(isBusy) && clock.now() < until) await sleep(clock, LOOK_MS, signal);
    for (const one of older) one.isReplaced = true;
    streams!.endOlder(link.peer.v2!);
  }

  /** @throws {OtherSession} if the server gives other addresses than before */
  #checkSame({ addresses = [], v2 }: PeerLink): void {
    const given = addresses.map(formatCidr).join();
    if (given === this.#given && this.#o.streams?.areOn(v2)) return;
    throw new OtherSession();
  }

  /** Pings meanwhile, since the user's commands may take longer than the server waits. */
  async #takeAddresses(peer: PeerLink, server: Addr, signal: AbortSignal): Promise<void> {
    this.#hasTaken = true;
    const { addresses = [], pushed = NOTHING_PUSHED } = peer;
    this.#given = addresses.map(formatCidr).join();
    await scope(signal, async (tasks) => {
      tasks.spawn(async (signal) => {
        for (;;) {
          await sleep(this.#o.clock, PROBE_EVERY, signal);
          await peer.probe?.(signal);
        }
      });
      await this.#o.takeAddresses(addresses, { server, signal: tasks.signal, pushed });
      tasks.cancel();
    });
  }
}

/** The server has made another session of what was to be this one. */
class OtherSession extends TtunError {
  constructor() {
    super("lost", "Lost the connection: the server gives other addresses than before");
  }
}
