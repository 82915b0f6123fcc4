import { FinalError, toTtunError, TtunError } from "../../base/errors.ts";
import { onAbort, scope } from "../../base/scope.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { PeerClosed } from "../../core/link/v2/handshake.ts";
import { Backoff } from "../../core/net/backoff.ts";
import { PathChanged, ServerPaths } from "../link/server_paths.ts";
import { ClientStreams } from "../mux/client_streams.ts";
import { CachingResolver } from "../net/caching_resolver.ts";
import { Tuner } from "../net/socket_options.ts";
import { DamagedConnections } from "../net/damaged_connections.ts";
import { SegmentLimits, SmallerSegments } from "./segment_limits.ts";
import { reachServer } from "./reach_server.ts";
import { serverName } from "./server_name.ts";
import { TunAttempt } from "./tun_attempt.ts";
import type { TunClientOptions } from "./tun_client_options.ts";
import type { AttemptOptions } from "./tun_link.ts";

/** Attempts in a row without a pause between them. */
const MOST_AT_ONCE = 6;

/** Milliseconds; streams that were carried for longer have another connection at once. */
const STEADY_MS = 1000;

/** Milliseconds that a session is kept which is there for packets alone. */
const KEEP_MS = 60_000;

/** Connects again after failures; throws the device's error, or the last failure. */
export async function runTunClient(o: TunClientOptions): Promise<void> {
  using stack = new DisposableStack();
  const streams = o.streams ?? sessionFor(o, stack);
  const ending = new AbortController();
  // A server that hears of the end keeps neither session nor listeners.
  using _bye = onAbort(o.signal, (reason) => void endWith(streams, reason, ending)); // never rejects
  const running = scope(ending.signal, (tasks) => {
    tasks.spawn((signal) => o.router.run(signal));
    const hasForwards = o.streams !== undefined;
    const all = { ...o, streams, hasForwards, signal: tasks.signal };
    tasks.spawn(() => new TunClient(all, stack).run());
  });
  // A failure while the server is told of the end is a consequence of it.
  await running.finally(() => o.signal.throwIfAborted());
}

/** Packets alone have a session of streams too: only that goes on by another connection. */
function sessionFor(o: TunClientOptions, stack: DisposableStack): ClientStreams | undefined {
  if (o.secrets.mode === "v1") return undefined;
  return stack.use(new ClientStreams({ ...o, keepMs: KEEP_MS }));
}

async function endWith(
  streams: ClientStreams | undefined,
  reason: unknown,
  ending: AbortController,
): Promise<void> {
  if (streams?.areCarried === true) await streams.sayBye();
  ending.abort(reason);
}

interface Ended {
  readonly error: TtunError;
  readonly wasUp: boolean;
  /** The next attempt need not wait. */
  readonly atOnce: boolean;
  /** The server does not know the session any more that there was: the next attempt begins another. */
  readonly isForgotten?: boolean;
}

class TunClient {
  readonly #o: AttemptOptions;
  readonly #backoff = new Backoff();

  constructor(o: TunClientOptions & { hasForwards: boolean }, stack: DisposableStack) {
    const { addresses = [], clock, log, paths, secrets: { rng }, server } = o;
    const segments = new SegmentLimits(o);
    const serverPaths = new ServerPaths(paths, clock, addresses, o.lastServer);
    const known = { host: "host" in server ? server.host : "", addresses };
    const name = new CachingResolver(o.resolver, { ...o, freshMs: 0, known });
    const dialer = serverPaths.dialer(segments.dialer);
    const resolver = serverPaths.resolver(name);
    this.#o = {
      ...o,
      serverPaths,
      segments,
      damaged: new DamagedConnections({ clock, rng }),
      tuner: new Tuner(log, o.congestion),
      reach: reachServer({ ...o, dialer, resolver }, stack),
    };
  }

  async run(): Promise<never> {
    const { log, secrets, serverPaths, signal } = this.#o;
    for (let failures = 0, atOnce = 0;;) {
      const ended = await this.#attempt();
      const { error } = ended;
      signal.throwIfAborted();
      if (error instanceof SmallerSegments) { // the next attempt only repeats this one
        log.warn(error.message);
        continue;
      }
      const isMoved = error instanceof PathChanged;
      if (ended.wasUp) failures = 1;
      else if (!isMoved && ended.isForgotten !== true) failures++;
      if (failures > this.#o.retries || error instanceof FinalError) throw error;
      if (isMoved) {
        this.#backoff.restart();
        serverPaths.moved();
        log.info(`${error.message}; connecting again at once`);
        continue;
      }
      if (ended.atOnce && atOnce++ < MOST_AT_ONCE) {
        log.warn(error.message, { retry_in_seconds: 0 });
        continue;
      }
      atOnce = 0;
      const pause = this.#backoff.pause(secrets.rng(1)[0]! / 256);
      log.warn(error.message, { retry_in_seconds: Math.round(pause / 100) / 10 });
      if (await serverPaths.pause(pause, signal)) {
        this.#backoff.restart();
        log.info("The way to the server has changed: connecting at once");
      }
    }
  }

  async #attempt(): Promise<Ended> {
    const attempt = new TunAttempt(this.#o);
    const hadSession = this.#o.streams?.hasSession === true;
    try {
      await attempt.run();
      const words = `Lost the connection with ${serverName(this.#o.server)}: the server closed it`;
      const atOnce = this.#isAwaited(attempt);
      return { error: new TtunError("lost", words), wasUp: true, atOnce };
    } catch (thrown) {
      const error = toTtunError(thrown);
      this.#o.streams?.attemptFailed(error);
      const isUnknown = error instanceof PeerClosed && error.code === CloseCode.unknownSession;
      const atOnce = isUnknown || attempt.isUnanswered() || this.#isAwaited(attempt);
      const isForgotten = isUnknown && hadSession;
      return { error, wasUp: attempt.ms !== null, atOnce, isForgotten };
    } finally {
      if (attempt.ms !== null) {
        this.#backoff.sessionEnded(attempt.ms);
        this.#o.log.info("disconnected", attempt.facts());
      }
    }
  }

  /** Streams of a connection that lasted wait for the next one. */
  #isAwaited({ ms }: TunAttempt): boolean {
    return this.#o.streams?.hasSession === true && ms !== null && ms >= STEADY_MS;
  }
}
