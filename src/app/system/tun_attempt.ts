import { type Addr, isIpAddress } from "../../base/addr.ts";
import { ProtocolError } from "../../base/errors.ts";
import { onAbort, scope } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import { offloadText } from "../../core/ip/virtio_net.ts";
import { NOTHING_PUSHED } from "../../core/link/v2/pushed.ts";
import { cipherFields, type PeerLink } from "../link/config.ts";
import { connectLink } from "../link/connect.ts";
import type { ServerPaths } from "../link/server_paths.ts";
import { sleep } from "../loop/sleep.ts";
import { dial } from "../net/dial_events.ts";
import { dialAny } from "../net/dial_host.ts";
import { provenFirst } from "../net/proven_first.ts";
import { congestionField, type Tuner } from "../net/socket_options.ts";
import type { PortOptions } from "../tun/tun_router.ts";
import type { DamagedConnections } from "../net/damaged_connections.ts";
import type { SegmentLimits } from "./segment_limits.ts";
import { serverName, type TunClientOptions } from "./tun_client_options.ts";
import { runSession, sessionDescriber, SessionMeter, warnOfV1 } from "./tun_session.ts";

const DIAL_TIMEOUT = 10_000;
const NAME_TIMEOUT = 10_000;

/** Milliseconds; well below the time that any server waits (docs/wire/link-v2.md, TLV 04). */
const PROBE_EVERY = 2_000;

/** The dialer and the resolver are those of `paths`. */
export interface AttemptOptions extends TunClientOptions {
  readonly serverPaths: ServerPaths;
  readonly segments: SegmentLimits;
  readonly damaged: DamagedConnections;
  readonly tuner: Tuner;
}

/** A connection whose handshake is complete. Dispose closes it. */
interface Met extends AsyncDisposable {
  readonly stream: Connection;
  readonly peer: PeerLink;
  /** A segment size from the server that is smaller than the present one. */
  readonly smaller: Promise<number>;
  /** Leaves it open at the end. */
  keep(): void;
}

type AttemptWatch = ReturnType<ServerPaths["watch"]>;

export class TunAttempt {
  readonly #o: AttemptOptions;
  #meter: SessionMeter | null = null;
  #peer: PeerLink | null = null;
  /** The server or its packets were silent, and this end hung up. */
  #hungUp = false;

  constructor(o: AttemptOptions) {
    this.#o = o;
  }

  /** Milliseconds since the session began; null = it did not. */
  get ms(): number | null {
    return this.#meter?.ms ?? null;
  }

  facts(): Record<string, number> {
    return this.#meter?.facts(this.#peer?.rttMs?.()) ?? {};
  }

  /**
   * True if the server hung up while a ping was unanswered: one that sees its own segments get lost
   * does, and tells the next connection which size passes.
   */
  isUnanswered(): boolean {
    return !this.#hungUp && this.#peer?.isUnanswered?.() === true;
  }

  /** Returns when the server has ended the session; throws any other end, or why none began. */
  async run(): Promise<void> {
    const { log, server, serverPaths } = this.#o;
    log.debug("connecting", { server: serverName(server) });
    // A scope for each session: all that hangs on its signal goes with it.
    await scope(this.#o.signal, async (tasks) => {
      const { signal } = tasks;
      using watch = serverPaths.watch(tasks);
      await using met = await this.#meet(signal, watch);
      const { peer, smaller, stream } = met;
      using _registration = onAbort(signal, () => startClose(stream));
      await using _link = peer.link;
      this.#peer = peer;
      this.#meter = new SessionMeter(this.#o.clock, this.#o.router.counters);
      const port = this.#portOf(stream, peer, this.#meter);
      watch.begun(peer, port.peer);
      try {
        await this.#withStreams(peer, port, async () => {
          using _ended = { [Symbol.dispose]: () => this.#o.sessionEnded?.() };
          await this.#takeAddresses(peer, stream.remote, signal);
          await this.#carry(stream, peer, port, smaller, signal);
        });
      } catch (error) {
        if (peer.wire === "v2" && error instanceof ProtocolError) {
          met.keep();
          void this.#o.damaged.keep(stream); // never rejects, and outlives the session
        }
        throw error;
      }
    });
  }

  /** Runs a session, whose link carries streams too if the client has some and the server can. */
  async #withStreams(
    peer: PeerLink,
    { peer: at, traffic }: PortOptions,
    run: () => Promise<void>,
  ): Promise<void> {
    const { sessions, streams } = this.#o;
    if (streams?.areCarried === true) return await streams.carry({ traffic }, run);
    streams?.warnOfNone(peer.wire);
    using _listed = sessions?.add(sessionDescriber(peer, this.#meter!, at));
    await run();
  }

  /** Connects with whoever has the key; the address of the last session comes first. */
  async #meet(signal: AbortSignal, watch: AttemptWatch): Promise<Met> {
    const { clock, server, serverPaths: { proven } } = this.#o;
    if (proven === null || "dialer" in server || isIpAddress(server.host)) {
      return await this.#meetAt(server, { signal, connected: (stream) => watch.connected(stream) });
    }
    const met = await provenFirst({
      clock,
      signal,
      proven: (one) => this.#meetAt({ ...server, host: proven }, one),
      others: (one) => this.#meetAt(server, one),
    });
    watch.connected(met.stream);
    return met;
  }

  /** `connected` is called before the handshake. */
  async #meetAt(
    server: TunClientOptions["server"],
    { signal, connected, proved }: {
      readonly signal: AbortSignal;
      readonly connected?: (stream: Connection) => void;
      readonly proved?: () => boolean;
    },
  ): Promise<Met> {
    const { router: { device }, segments, tuner } = this.#o;
    await using owned = new AsyncDisposableStack();
    const stream = owned.use(await this.#dial(server, signal));
    using _registration = onAbort(signal, () => startClose(stream));
    connected?.(stream);
    tuner.tune(stream);
    const { promise: smaller, resolve } = Promise.withResolvers<number>();
    const onSegmentSize = (bytes: number) => {
      if (segments.isSmaller(stream, bytes)) resolve(bytes);
    };
    const o = { ...this.#o, device, onSegmentSize, ...(proved && { proved }) };
    const peer = await segments.meet(stream, signal, () => connectLink(stream, o));
    const kept = owned.move();
    return {
      stream,
      peer,
      smaller,
      keep: () => void kept.move(),
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  }

  #dial(server: TunClientOptions["server"], signal: AbortSignal): Promise<Connection> {
    const { signal: life } = this.#o; // a damaged connection outlives its session
    const timeoutMs = DIAL_TIMEOUT;
    if ("dialer" in server) {
      return dial(server.dialer, undefined, { signal: life, cancel: signal, timeoutMs });
    }
    return dialAny({ ...this.#o, to: server, nameMs: NAME_TIMEOUT, timeoutMs, signal, life });
  }

  #portOf(stream: Connection, peer: PeerLink, { traffic }: SessionMeter): PortOptions {
    const { log, secrets } = this.#o;
    const at = stream.peer;
    const { protocol } = stream.stats();
    const onUp = () => {
      log.info("authenticated", {
        server: at,
        protocol,
        ...congestionField(stream),
        wire: peer.wire,
        ...cipherFields(peer),
        ...(this.#o.streams?.areCarried === true && { carries: "packets,streams" }),
        offload: offloadText(peer.link.offload),
      });
      if (peer.wire === "v1" && secrets.mode === "auto") warnOfV1(log, at);
    };
    return { peer: at, addresses: [], traffic, onUp };
  }

  /** `told`: see `Met.smaller`. */
  async #carry(
    stream: Connection,
    peer: PeerLink,
    port: PortOptions,
    told: Promise<number>,
    signal: AbortSignal,
  ): Promise<void> {
    const { router, segments } = this.#o;
    const watch = async (signal: AbortSignal) => {
      const size = segments.watch(stream, signal);
      const silence = peer.watch?.(signal);
      const smaller = await Promise.race([size, told, ...silence ? [silence] : []])
        .catch((error) => {
          if (!signal.aborted) {
            this.#hungUp = true;
            segments.learnFromSilence(stream);
          }
          throw error;
        });
      if (smaller !== undefined) throw segments.limit(stream, smaller);
    };
    await runSession({ ...peer, watch }, peer.link, router, port, signal);
  }

  /** Pings meanwhile, since the user's commands may take longer than the server waits. */
  #takeAddresses(peer: PeerLink, server: Addr, signal: AbortSignal): Promise<void> {
    return scope(signal, async (tasks) => {
      tasks.spawn(async (signal) => {
        for (;;) {
          await sleep(this.#o.clock, PROBE_EVERY, signal);
          await peer.probe?.(signal);
        }
      });
      const { addresses = [], pushed = NOTHING_PUSHED } = peer;
      await this.#o.takeAddresses(addresses, { server, signal: tasks.signal, pushed });
      tasks.cancel();
    });
  }
}
