import { FinalError, ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import type { LogFields, Logger } from "../../base/log.ts";
import { onAbort, type Scope, scope } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { PeerClosed } from "../../core/link/v2/handshake.ts";
import { Backoff } from "../../core/net/backoff.ts";
import { cipherFields } from "../link/config.ts";
import { DamagedConnections } from "../net/damaged_connections.ts";
import { isRelayed } from "../net/is_relayed.ts";
import type { Differently, Reach } from "../net/reach.ts";
import type { Carrier } from "./carrier.ts";
import { resetIfBound } from "./reset_if_bound.ts";
import type { ClientSession } from "./client_session.ts";
import { CurrentSession, type CurrentSessionOptions, endsSession } from "./current_session.ts";
import type { MuxOutbound } from "./mux_outbound.ts";
import { NextCarrier } from "./next_carrier.ts";
import type { RemoteListens } from "./remote_listens.ts";

/** Milliseconds; a carrier that lived longer is followed by another at once. */
const STEADY_MS = 1000;

export interface MuxClientOptions extends CurrentSessionOptions {
  readonly reach: Reach;
  readonly log: Logger;
  /** Attempts in a row that may follow a failed one; Infinity = no limit. */
  readonly retries: number;
  /** Those before the first session; absent = `retries`. */
  readonly firstRetries?: number | undefined;
  /** Ends when there is no session: none could begin, or the one that there was is over. */
  readonly endsWithSession?: boolean;
  /** Facts about a connection for the log. */
  readonly facts?: (stream: Connection) => LogFields;
}

/** Milliseconds until the next carrier if one lived shorter, but was of use. */
const SHORT_PAUSE_MS = 200;

/** Milliseconds of a pause that somebody wants to end. */
const LEAST_PAUSE_MS = 200;

interface Ended {
  readonly error: TtunError;
  /** Milliseconds that there was a carrier; null = there was none. */
  readonly upMs: number | null;
  /** Something came on it. */
  readonly wasUsed: boolean;
}

/** A carrier whose handshake is complete, on its connection. */
interface Joined {
  readonly stream: Connection;
  readonly carrier: Carrier;
}

/**
 * Keeps a session with a server: connects again when the carrier is lost, and goes on with the
 * session where the server still has it. When the server's port is to close, or when the server
 * does not answer any more, another carrier is made before the old one is given up. Streams are
 * opened by `outbound`.
 */
export class MuxClient {
  readonly outbound: MuxOutbound;
  /** Listeners at the server, which are asked for on every new session. */
  readonly listens: RemoteListens;
  readonly #o: MuxClientOptions;
  readonly #current: CurrentSession;
  readonly #backoff = new Backoff();
  readonly #damaged: DamagedConnections;
  readonly #next: NextCarrier;
  /** Ends a pause soon; null = there is none, or it ends already. */
  #hurry: (() => void) | null = null;

  constructor(o: MuxClientOptions) {
    this.#o = o;
    this.#current = new CurrentSession(o);
    this.outbound = this.#current.outbound;
    this.listens = this.#current.listens;
    const { clock, log, secrets: { rng } } = o;
    this.#damaged = new DamagedConnections({ clock, rng });
    this.#next = new NextCarrier({
      clock,
      log,
      rng,
      backoff: this.#backoff,
      join: async (tasks, signal, how) => {
        const session = this.#current.session!;
        this.#spawn(tasks, session, await this.#join(signal, how));
      },
    });
  }

  /** Runs until the signal aborts. @throws its reason, or the last failure, final or beyond `retries` */
  async run(signal: AbortSignal): Promise<never> {
    const { log, retries, firstRetries = retries } = this.#o;
    const ending = new AbortController();
    using _bye = onAbort(signal, (reason) => void this.#endWith(reason, ending)); // never rejects
    try {
      let most = firstRetries;
      for (let failures = 0;;) {
        const ended = await this.#attempt(ending.signal);
        const { error } = ended;
        signal.throwIfAborted();
        failures = ended.upMs === null ? failures + 1 : 1;
        if (ended.upMs !== null) most = retries;
        if (failures > most || error instanceof FinalError) throw error;
        this.#expire();
        if (this.#o.endsWithSession === true && this.#current.session === null) throw error;
        const pause = this.#pauseAfter(ended);
        log.warn(error.message, { retry_in_seconds: Math.round(pause / 100) / 10 });
        if (pause > 0) await this.#rest(pause, ending.signal);
        this.#expire();
        if (this.#o.endsWithSession === true && this.#current.session === null) throw error;
      }
    } finally {
      this.#current.close();
    }
  }

  /** There is a connection to the server. */
  get isConnected(): boolean {
    const { session } = this.#current;
    return session !== null && session.streams.carriers.length > 0;
  }

  /** Connects soon, where it waits to connect again. */
  hurry(): void {
    this.#hurry?.();
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#o;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    using timers = new DisposableStack();
    timers.use(onAbort(signal, reject));
    timers.use(clock.after(ms, resolve));
    this.#hurry = () => {
      this.#hurry = null;
      timers.use(clock.after(LEAST_PAUSE_MS, resolve));
    };
    try {
      await promise;
    } finally {
      this.#hurry = null;
    }
  }

  #pauseAfter({ error, upMs, wasUsed }: Ended): number {
    if (wasUsed) this.#backoff.restart();
    if (error instanceof PeerClosed && error.code === CloseCode.unknownSession) return 0; // once
    if (!wasUsed || this.#current.session === null) return this.#pause();
    return upMs! >= STEADY_MS ? 0 : SHORT_PAUSE_MS;
  }

  #pause(): number {
    return this.#backoff.pause(this.#o.secrets.rng(1)[0]! / 256);
  }

  /** Ends all when the server has heard that nobody comes back to the session. */
  async #endWith(reason: unknown, ending: AbortController): Promise<void> {
    const carrier = this.#current.session?.streams.carriers.at(-1);
    if (carrier !== undefined) await carrier.end(CloseCode.bye);
    ending.abort(reason);
  }

  /** Ends a session that nobody can go on with. */
  #expire(): void {
    const { clock, keepMs } = this.#o;
    const { session } = this.#current;
    if (session !== null && clock.now() - session.lostAt >= keepMs) this.#current.expire();
  }

  /** Connects, and runs until no carrier is left. */
  async #attempt(signal: AbortSignal): Promise<Ended> {
    const { clock } = this.#o;
    let upSince: number | null = null;
    let first: Carrier | null = null;
    let error = new TtunError("lost", "Lost the connection with the server");
    try {
      await scope(signal, async (tasks) => {
        const joined = await this.#join(tasks.signal, { isLeaving: false });
        upSince = clock.now();
        first = joined.carrier;
        const session = this.#current.use();
        session.onMove = (seconds) => this.#next.leave(tasks, seconds);
        this.#spawn(tasks, session, joined);
      });
    } catch (thrown) {
      error = toTtunError(thrown);
      this.#current.keepBegun();
      if (endsSession(error)) this.#current.drop(error);
    }
    if (upSince === null) return { error, upMs: null, wasUsed: false };
    const now = clock.now();
    const { session } = this.#current;
    if (session !== null) session.lostAt = now;
    const { heard } = (first as Carrier | null)!.channel;
    return { error, upMs: now - upSince, wasUsed: heard > 0 };
  }

  /** Dials, and runs the handshake: for the session that there is, else for a new one. */
  #join(signal: AbortSignal, how: Differently): Promise<Joined> {
    const session = this.#current.toJoin();
    return this.#o.reach({
      signal,
      ...how,
      meet: (stream, proved) => this.#meet(session, stream, proved),
      discard: ({ stream, carrier }) => {
        startClose(carrier);
        startClose(stream);
      },
    });
  }

  /** Runs the handshake on a connection. */
  async #meet(session: ClientSession, stream: Connection, proved: () => boolean): Promise<Joined> {
    const { facts = () => ({}), log } = this.#o;
    await using owned = new AsyncDisposableStack();
    owned.use(stream);
    const isNew = !session.isKnown;
    const carrier = await session.join(stream, proved).catch((error) => {
      resetIfBound(stream);
      throw error;
    });
    this.#current.joined(session);
    owned.move();
    log.info(isNew ? "authenticated" : "session goes on", {
      server: stream.peer,
      wire: "v2",
      carries: "streams",
      ...cipherFields(carrier.channel),
      ...facts(stream),
    });
    return { stream, carrier };
  }

  /** Runs a carrier. The scope fails with the last one, or with one that ends the session. */
  #spawn(tasks: Scope, session: ClientSession, joined: Joined): void {
    const { streams } = session;
    tasks.spawn(async (signal) => {
      let error = new TtunError("lost", "Lost the connection with the server");
      try {
        await this.#run(tasks, session, joined, signal);
      } catch (thrown) {
        error = toTtunError(thrown);
      }
      signal.throwIfAborted();
      if (endsSession(error) || streams.carriers.length === 0) throw error;
      this.#o.log.debug("an older connection has ended", { why: error.message });
    });
  }

  async #run(
    tasks: Scope,
    { streams }: ClientSession,
    { stream, carrier }: Joined,
    signal: AbortSignal,
  ): Promise<void> {
    await using owned = new AsyncDisposableStack();
    owned.use(stream);
    await using _carrier = carrier;
    carrier.onHeard = () => streams.endOlder(carrier.ofSession);
    try {
      await scope(signal, async (running) => {
        const watched = {
          isNewest: () => streams.carriers.at(-1) === carrier.ofSession,
          isSuspect: () => carrier.isSuspect,
        };
        running.spawn((s) => this.#next.watch(tasks, watched, s));
        if (isRelayed(stream)) running.spawn((s) => this.#next.seekDirect(tasks, watched, s));
        await streams.carry(carrier.ofSession, () => carrier.run(running.signal));
        running.cancel();
      });
    } catch (error) {
      if (error instanceof ProtocolError && error.reason === "cannot_open") {
        owned.move();
        void this.#damaged.keep(stream); // never rejects, and outlives the carrier
      }
      throw error;
    }
    const { closeCode } = carrier.channel;
    if (closeCode === CloseCode.bye) {
      throw new PeerClosed("lost", closeCode, "The server has ended the session");
    }
  }
}
