import { type Addr, type Cidr, formatAddr, type HostPort } from "../../base/addr.ts";
import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import { offloadText } from "../../core/ip/virtio_net.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Logger } from "../../base/log.ts";
import { onAbort, scope } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { Paths } from "../../contract/routing.ts";
import { Backoff } from "../../core/net/backoff.ts";
import type { ClientIdentity } from "../../core/link/v2/identity.ts";
import { LEAST_SEGMENT_SIZE, smallerAfterQuiet } from "../../core/net/segment_watch.ts";
import { dialAny } from "../net/dial_host.ts";
import { DEAD_TIME } from "../link/keepalive.ts";
import { fallSilent } from "../net/fall_silent.ts";
import { SizedDialer } from "../net/sized_dialer.ts";
import { untilAborted, watchHandshake, watchSegments } from "../net/watch_segments.ts";
import { droppedSince } from "../tun/counters.ts";
import type { TunRouter } from "../tun/tun_router.ts";
import { CachingResolver } from "../net/caching_resolver.ts";
import { Tuner } from "../net/socket_options.ts";
import { connectLink, type ServerMemory } from "../link/connect.ts";
import { PathChanged, ServerPaths } from "../link/server_paths.ts";
import { runSession, sessionFacts, warnOfV1 } from "./tun_session.ts";
import type { PeerLink, WireSecrets } from "../link/config.ts";
import { sleep } from "../loop/sleep.ts";

/** Damaged connections that are kept open at a time; the oldest is cut for another. */
const MOST_SILENT = 4;

const DIAL_TIMEOUT = 10_000;
const NAME_TIMEOUT = 10_000;

/** Segments are not made smaller than this, whatever a server says (Linux's TCP_MIN_MSS). */
const LEAST_SEGMENT = 88;

/** How long a size is tried that nothing speaks for but silence. */
const TRIAL_MS = 60_000;

/** Most attempts in a row without a pause between them. */
const MOST_AT_ONCE = 6;

/** Well below what any server waits for (docs/wire/link-v2.md, TLV 04). */
const SIGN_OF_LIFE_EVERY = 2_000;

/** Facts of a session that are known before its packets. */
export interface SessionFacts {
  /** The server's address, where it is one of IP. */
  readonly server: Addr;
  /** Aborted at its end. */
  readonly signal: AbortSignal;
}

export interface TunClientOptions {
  server: HostPort;
  dialer: Dialer;
  resolver: Resolver;
  /** The ways to the server. */
  paths: Paths;
  /** Addresses of the server's name from a lookup just before; the first attempt uses them. */
  addresses?: readonly string[];
  router: TunRouter;
  secrets: WireSecrets;
  memory: ServerMemory;
  /**
   * Called for each session before its packets: the addresses that the server gives, none where it
   * gives none. @throws {TtunError} when the device cannot have them: the session ends by it
   */
  takeAddresses: (addresses: readonly Cidr[], session: SessionFacts) => void | Promise<void>;
  /** 16 random bytes, one for each process. */
  instance: Uint8Array;
  /** This client's self-description; undefined = it sends none. */
  identity?: ClientIdentity | undefined;
  clock: Clock;
  log: Logger;
  /** The kernel's name of a congestion control for the connection; undefined = the system's. */
  congestion?: string | undefined;
  signal: AbortSignal;
  /** How many attempts may follow a failed one, in a row; Infinity = for ever. */
  retries: number;
}

/**
 * Keeps a session with the server: tries again after every failure, for as long as it may.
 * @throws the last failure when the retries are used up, or what ends the device
 */
export async function runTunClient(o: TunClientOptions): Promise<void> {
  await scope(o.signal, (tasks) => {
    tasks.spawn((signal) => o.router.run(signal));
    tasks.spawn(() => new TunClient({ ...o, signal: tasks.signal }).run());
  });
}

class TunClient {
  readonly #o: TunClientOptions;
  readonly #tuner: Tuner;
  readonly #dialer: SizedDialer;
  readonly #backoff = new Backoff();
  readonly #paths: ServerPaths;
  /** Connections with a damaged record, the oldest first. */
  readonly #silent = new Set<Connection>();

  constructor(o: TunClientOptions) {
    const { addresses = [], server: { host } } = o;
    this.#dialer = new SizedDialer(o.dialer, o.clock);
    this.#paths = new ServerPaths(o.paths, o.clock, addresses);
    const known = { host, addresses };
    const name = new CachingResolver(o.resolver, { ...o, freshMs: 0, known });
    this.#o = {
      ...o,
      dialer: this.#paths.dialer(this.#dialer),
      resolver: this.#paths.resolver(name),
    };
    this.#tuner = new Tuner(o.log, o.congestion);
  }

  async run(): Promise<never> {
    const { log, secrets, signal } = this.#o;
    for (let failures = 0, atOnce = 0;;) {
      const { error, wasUp, next } = await this.#attempt();
      signal.throwIfAborted();
      if (error instanceof SmallerSegments) { // the same connection, as it should have been
        log.warn(error.message);
        continue;
      }
      const isMoved = error instanceof PathChanged;
      if (wasUp) failures = 1;
      else if (!isMoved) failures++;
      if (failures > this.#o.retries) throw error;
      if (isMoved) {
        this.#backoff.restart();
        this.#paths.moved();
        log.info(`${error.message}; connecting again at once`);
        continue;
      }
      if (next === "at once" && atOnce++ < MOST_AT_ONCE) {
        log.warn(error.message, { retry_in_seconds: 0 });
        continue;
      }
      atOnce = 0;
      const pause = this.#backoff.pause(secrets.rng(1)[0]! / 256);
      log.warn(error.message, { retry_in_seconds: Math.round(pause / 100) / 10 });
      if (await this.#paths.pause(pause, signal)) {
        this.#backoff.restart();
        log.info("The way to the server has changed: connecting at once");
      }
    }
  }

  /** One connection from dial to its end; what ended it, and when the next one is to come. */
  async #attempt(): Promise<{ error: TtunError; wasUp: boolean; next: Next }> {
    const { clock, log, router, server } = this.#o;
    let since = null as number | null;
    const before = { ...router.counters };
    let rttMs = () => NaN;
    const traffic = { sentBytes: 0, receivedBytes: 0 };
    let next = "after a pause" as Next;
    let isUnanswered = () => false;
    try {
      log.debug("connecting", { server: formatAddr(server) });
      // A scope for each session: what hangs on its signal goes with it.
      await scope(this.#o.signal, async (tasks) => {
        const { signal } = tasks;
        using watch = this.#paths.watch(tasks);
        await using owned = new AsyncDisposableStack();
        const stream = owned.use(
          await dialAny({
            ...this.#o,
            to: server,
            nameMs: NAME_TIMEOUT,
            timeoutMs: DIAL_TIMEOUT,
            signal,
            life: this.#o.signal, // a damaged connection outlives its session
          }),
        );
        using _tie = onAbort(signal, () => startClose(stream));
        watch.connected(stream);
        this.#tuner.tune(stream);
        const told = Promise.withResolvers<number>();
        const onSegmentSize = (bytes: number) => {
          if (this.#isSmaller(stream, bytes)) told.resolve(bytes);
        };
        const peer = await this.#meet(stream, onSegmentSize, signal);
        await using link = peer.link;
        isUnanswered = peer.isUnanswered ?? isUnanswered;
        rttMs = peer.rttMs ?? rttMs;
        since = clock.now();
        const at = formatAddr(stream.remote);
        watch.begun(peer, at);
        const { protocol } = stream.stats();
        const onUp = () => {
          log.info("authenticated", {
            server: at,
            protocol,
            wire: peer.wire,
            offload: offloadText(link.offload),
          });
          if (peer.wire === "v1" && this.#o.secrets.mode === "auto") warnOfV1(log, at);
        };
        await this.#takeAddresses(peer, stream.remote, signal);
        const watchBoth = async (signal: AbortSignal) => {
          const size = this.#watchSegments(stream, signal);
          const silence = peer.watch?.(signal);
          const smaller = await Promise.race([size, told.promise, ...silence ? [silence] : []])
            .catch((error) => {
              if (!signal.aborted) { // it is this end that hangs up
                isUnanswered = () => false;
                this.#learnFromSilence(stream);
              }
              throw error;
            });
          if (smaller === undefined) return;
          throw this.#limitSegments(stream, smaller);
        };
        const port = { peer: at, addresses: [], traffic, onUp };
        try {
          await runSession({ ...peer, watch: watchBoth }, link, router, port, signal);
        } catch (error) {
          if (peer.wire === "v2" && error instanceof ProtocolError) {
            owned.move();
            void this.#fallSilent(stream); // never rejects, and outlives the session
          }
          throw error;
        }
      });
      const words = `Lost the connection with ${formatAddr(server)}: the server closed it`;
      return { error: new TtunError("lost", words), wasUp: true, next };
    } catch (thrown) {
      // A server that sees its own segments get lost hangs up, and tells the next connection.
      if (isUnanswered()) next = "at once";
      return { error: toTtunError(thrown), wasUp: since !== null, next };
    } finally {
      if (since !== null) {
        this.#backoff.sessionEnded(clock.now() - since);
        log.info("disconnected", {
          ...sessionFacts(clock, since, traffic, rttMs()),
          ...droppedSince(before, router.counters),
        });
      }
    }
  }

  /** Beside the next connection: when the damage was noticed is nobody's to know. */
  async #fallSilent(stream: Connection): Promise<void> {
    await using owned = stream;
    for (const oldest of this.#silent) {
      if (this.#silent.size < MOST_SILENT) break;
      this.#silent.delete(oldest);
      oldest.reset();
    }
    this.#silent.add(owned);
    const { clock, secrets: { rng } } = this.#o;
    await fallSilent(owned, { clock, rng });
    this.#silent.delete(owned);
  }

  /** Pings the server meanwhile, since the user's commands may take longer than its patience. */
  #takeAddresses(peer: PeerLink, server: Addr, signal: AbortSignal): Promise<void> {
    return scope(signal, async (tasks) => {
      tasks.spawn(async (signal) => {
        for (;;) {
          await sleep(this.#o.clock, SIGN_OF_LIFE_EVERY, signal);
          await peer.probe?.(signal);
        }
      });
      await this.#o.takeAddresses(peer.addresses ?? [], { server, signal: tasks.signal });
      tasks.cancel();
    });
  }

  /** The smaller size to go on with, when that is known and can be. */
  async #watchSegments(stream: Connection, signal: AbortSignal): Promise<number> {
    const { clock, log } = this.#o;
    const size = await watchSegments(stream, { clock, signal });
    if (this.#dialer.limitsSegments) return size;
    log.warn(
      "full segments do not pass on the way to the server, and no router says so; native sockets " +
        "(--io ffi) can make them smaller, as can the kernel: sysctl net.ipv4.tcp_mtu_probing=1",
    );
    return await untilAborted(signal);
  }

  /** The handshake, as long as what is sent in it gets through. */
  async #meet(
    stream: Connection,
    onSegmentSize: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<PeerLink> {
    const { clock, router } = this.#o;
    const { local, remote } = stream;
    const meeting = new AbortController();
    using _tie = onAbort(signal, (reason) => meeting.abort(reason));
    const isStuck = async () => {
      const smaller = await watchHandshake(stream, { clock, signal: meeting.signal });
      if (!this.#dialer.limitsSegments) return await untilAborted(meeting.signal);
      throw this.#limitSegments(stream, smaller);
    };
    try {
      return await Promise.race([
        connectLink(stream, { ...this.#o, device: router.device, onSegmentSize }),
        isStuck(),
      ]);
    } catch (error) {
      // Silence may be the server's answer getting lost: every other attempt is with what every path
      // carries.
      if (error instanceof TtunError && error.kind === "timeout") {
        const isLeast = this.#dialer.limitOf({ local, remote }) === LEAST_SEGMENT_SIZE;
        this.#dialer.limit({ local, remote }, isLeast ? undefined : LEAST_SEGMENT_SIZE, TRIAL_MS);
      }
      throw error;
    } finally {
      meeting.abort();
    }
  }

  /** A server from before frame 81 cannot say that its segments get lost: its silence does. */
  #learnFromSilence(stream: Connection): void {
    const smaller = smallerAfterQuiet(stream.stats(), DEAD_TIME * 1000);
    if (smaller === null || !this.#dialer.limitsSegments) return;
    this.#dialer.limit(stream, smaller);
    this.#o.log.info("the server is silent, but its machine is not: trying smaller segments", {
      segment_bytes: smaller,
    });
  }

  #isSmaller(stream: Connection, segmentBytes: number): boolean {
    const { segmentBytes: now = 0 } = stream.stats();
    return this.#dialer.limitsSegments && segmentBytes >= LEAST_SEGMENT && segmentBytes < now;
  }

  /** Ends a connection whose full segments do not pass; the next one has smaller ones. */
  #limitSegments(stream: Connection, segmentBytes: number): TtunError {
    this.#dialer.limit(stream, segmentBytes);
    stream.reset();
    return new SmallerSegments(
      `Full segments do not pass on the way to ${formatAddr(stream.remote)}, and no router says ` +
        `so: connecting again with ${segmentBytes} bytes each (as --segment-size would)`,
    );
  }
}

/** A connection is given up for one with smaller segments. */
class SmallerSegments extends TtunError {
  constructor(message: string) {
    super("lost", message);
  }
}

type Next = "after a pause" | "at once";
