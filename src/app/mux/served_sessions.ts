import { constantTimeEqual, toHex } from "../../base/bytes.ts";
import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import type { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { onAbort } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import type { LinkSession } from "../../core/link/v2/handshake.ts";
import { resumeProof } from "../../core/link/v2/key_schedule.ts";
import type { ServerSetup } from "../../core/link/v2/setup.ts";
import { type Open, Refusal } from "../../core/mux/frames.ts";
import type { Mux } from "../../core/mux/mux.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { OpenLimit } from "../../core/mux/open_limit.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { ProvedClient } from "../link/candidate.ts";
import type { TurnedAway } from "../link/config.ts";
import { addressGroup } from "../net/address_group.ts";
import { Quota } from "../net/connection_quota.ts";
import type { SessionCarrier } from "./session_carrier.ts";
import { ServerMemory } from "./session_memory.ts";
import type { StreamOwner } from "./served_stream.ts";
import { type PacketFacts, StreamSession } from "./stream_session.ts";

/** Carriers of a session that live at the same time; the oldest goes for another. */
const MOST_CARRIERS = 3;

/** Milliseconds until an older carrier is closed, once there is a newer one. */
const OLD_CARRIER_MS = 10_000;

/** Sessions at a time, and those of one address. */
const SESSIONS: SessionLimits = { total: 4096, perAddress: 1024 };

export interface SessionLimits {
  readonly total: number;
  readonly perAddress: number;
}

export interface ServedSessionsOptions {
  readonly clock: Clock;
  /** Milliseconds that a session without a carrier is kept. */
  readonly keepMs: number;
  readonly signal: AbortSignal;
  readonly sessionLimits?: SessionLimits | undefined;
  /** Has all sessions that there are. */
  readonly sessions?: SessionList | undefined;
  /** Answers a stream that a client has opened. */
  readonly onOpened: (stream: MuxStream, open: Open, client: SessionClient) => void;
  readonly said: RateLimitedLog;
}

/** A client with a session: one object as long as the session lasts. */
export interface SessionClient extends StreamOwner {
  readonly mux: Mux;
  /** The session has a connection at the moment. */
  readonly isConnected: boolean;
}

/** A session that goes on from carrier to carrier. */
interface Held {
  /** Result of `idOf`. */
  readonly id: string;
  /** Name of the client's key; "" where there is one key alone. */
  readonly account: string;
  readonly instance: string;
  readonly session: StreamSession;
  /** The secret of its proofs. */
  readonly secret: Uint8Array;
  /** Largest carrier number so far. */
  highest: number;
  /** Ends the session; runs while it has no carrier. */
  expiry: Disposable | null;
  /** When it had a carrier last. */
  lostAt: number;
  /** Its first one's, as `addressGroup` has it. */
  readonly address: string;
  /** Among the sessions that there may be. */
  readonly place: Disposable;
  /** Ends it when its key is taken back. */
  revocation: Disposable | null;
}

/** A client's handshake that is answered: for a new session, or another carrier of its own. */
export interface SessionEntry {
  readonly held: Held;
  readonly number: number;
  /** Number of the next frame that the client expects, as `Mux.attach` takes it. */
  readonly peerExpected: number | null;
  /** The answer, which is to be sent. */
  readonly bytes: Uint8Array;
  readonly session: LinkSession;
}

/**
 * Sessions of streams with any number of clients, whoever runs their carriers: one long file, as
 * admission and expiry decide about the same table.
 */
export class ServedSessions implements Disposable {
  readonly #o: ServedSessionsOptions;
  readonly #memory = new ServerMemory();
  readonly #sessions = new Map<string, Held>();
  readonly #places: Quota;
  /** Sessions by the connections of their carriers. */
  readonly #carried = new Map<Stream, Held>();

  constructor(o: ServedSessionsOptions) {
    this.#o = o;
    this.#places = new Quota(o.sessionLimits ?? SESSIONS);
  }

  /** A session has a connection. */
  get hasCarriers(): boolean {
    return this.#carried.size > 0;
  }

  /**
   * Has a client come by another connection within so many seconds, if `stream` is its newest.
   * Returns false where no client has come by `stream` yet.
   */
  move(stream: Stream, seconds: number): boolean {
    const held = this.#carried.get(stream);
    if (held === undefined) return false;
    const { carriers, mux } = held.session;
    if (carriers.at(-1)?.channel.stream === stream) mux.sendMove(seconds);
    return true;
  }

  /** Returns why a client gets no carrier; null: it may have one now. */
  refusal(client: ProvedClient): TurnedAway | null {
    const { setup } = client;
    const held = this.#sessions.get(idOf(client)) ?? null;
    if (setup.resume !== undefined) return this.#resumeRefusal(client, held);
    if (held === null) return null;
    return { code: CloseCode.notAllowed, words: "this session is there already" };
  }

  /**
   * Answers a client that has proved the key. `setup`: facts for it beside the session's. The keys
   * of the entry are the caller's, who sends the answer and makes a carrier of them (`attach`).
   */
  enter(
    stream: Connection,
    client: ProvedClient,
    setup: Omit<ServerSetup, "resume"> = {},
  ): SessionEntry | TurnedAway {
    const refusal = this.refusal(client);
    if (refusal !== null) return refusal;
    const { handshake, setup: { carrier, resume } } = client;
    if (resume === undefined) return this.#begin(stream, client, setup);
    const held = this.#sessions.get(idOf(client))!;
    held.highest = carrier;
    const proof = resumeProof(held.secret, "s", handshake.traffic.transcript);
    const expected = held.session.mux.expected;
    return {
      held,
      number: carrier,
      peerExpected: resume.expected,
      ...handshake.accept({ ...setup, resume: { expected, proof } }),
    };
  }

  #resumeRefusal({ handshake, setup }: ProvedClient, held: Held | null): TurnedAway | null {
    if (held === null) return { code: CloseCode.unknownSession, words: "unknown session" };
    const proof = resumeProof(held.secret, "c", handshake.traffic.transcript);
    const isRight = constantTimeEqual(proof, setup.resume!.proof);
    if (!isRight || toHex(setup.instance) !== held.instance) {
      return { code: CloseCode.notAllowed, words: "this is another client's session" };
    }
    if (setup.carrier > held.highest) return null;
    return { code: CloseCode.carrier, words: "a newer connection of this session is there" };
  }

  #begin(
    stream: Connection,
    proved: ProvedClient,
    answer: ServerSetup,
  ): SessionEntry | TurnedAway {
    const { clock, onOpened, said } = this.#o;
    const { handshake, setup, key: account, revoked } = proved;
    this.#endOthers(account, toHex(setup.instance));
    const place = this.#places.take(stream.remote, {
      account,
      get lastActive() {
        return held.session.carriers.at(-1)?.channel.lastArrival ?? held.lostAt;
      },
      evict: () => {
        const words = "It has lost its session to another address";
        this.#end(held, new TtunError("busy", words));
      },
    });
    if (place === null) {
      return { code: CloseCode.busy, words: "it has as many sessions as it may have" };
    }
    const { bytes, session } = handshake.accept(answer);
    const address = addressGroup(stream.remote);
    const opens = new OpenLimit(clock.now());
    const client: SessionClient = {
      from: stream.remote,
      account,
      get isConnected() {
        return held.session.carriers.length > 0;
      },
      get mux() {
        return held.session.mux;
      },
    };
    const held: Held = {
      id: idOf(proved),
      account,
      instance: toHex(setup.instance),
      session: new StreamSession({
        role: "server",
        peer: session.peer,
        clock,
        memory: this.#memory.enter(address),
        onOpened: (opened, open) => {
          if (opens.take(clock.now())) return onOpened(opened, open, client);
          opened.answer(Refusal.generalFailure, null);
          said.warn("a client opens streams too fast", { peer: stream.peer }, address);
        },
        address: stream.peer,
        name: account,
        sessions: this.#o.sessions,
      }),
      secret: session.resume.slice(),
      highest: setup.carrier,
      expiry: null,
      lostAt: clock.now(),
      address,
      place,
      revocation: null,
    };
    this.#sessions.set(held.id, held);
    if (revoked !== undefined) {
      held.revocation = onAbort(revoked, (reason) => {
        const error = toTtunError(reason);
        said.warn("session ended", { peer: stream.peer, user: account, why: error.message });
        this.#end(held, error, true);
      });
    }
    this.#expireLater(held); // the client may be gone before the answer is written
    return { held, number: setup.carrier, peerExpected: null, bytes, session };
  }

  /** A client has one session: ends another one of this key and instance. */
  #endOthers(account: string, instance: string): void {
    for (const other of [...this.#sessions.values()]) {
      if (other.account !== account || other.instance !== instance) continue;
      this.#end(other, new TtunError("lost", "The client has begun another session"));
    }
  }

  /** Has a carrier made when the answer is sent; null: the session has ended meanwhile. */
  attach<T>({ held }: SessionEntry, make: (session: StreamSession) => T): T | null {
    if (this.#sessions.get(held.id) !== held) return null;
    try {
      return make(held.session);
    } catch (thrown) { // it expects what was never sent
      this.#end(held, toTtunError(thrown));
      throw thrown;
    }
  }

  /** Has the session go on by a carrier, as `StreamSession.carry` does. */
  async carry(
    { held }: SessionEntry,
    carrier: SessionCarrier,
    run: () => Promise<void>,
    packets?: PacketFacts,
  ): Promise<void> {
    const { clock, signal } = this.#o;
    const { channel, channel: { stream } } = carrier;
    const { carriers } = held.session;
    if (carriers.length >= MOST_CARRIERS) carriers[0]!.channel.stream.reset();
    using _old = clock.after(OLD_CARRIER_MS, () => held.session.endOlder(carrier));
    this.#carried.set(stream, held);
    try {
      this.#keep(held);
      await held.session.carry(carrier, run, packets);
      if (channel.closeCode === CloseCode.bye) {
        this.#end(held, new TtunError("lost", "The client has ended the session"));
      }
    } catch (error) {
      const isOver = error instanceof ProtocolError && error.reason !== "cannot_open";
      const hasLeft = channel.closeCode === CloseCode.bye; // behind that a reset is an end as well
      if ((isOver || hasLeft) && !signal.aborted) this.#end(held, toTtunError(error));
      throw error;
    } finally {
      this.#carried.delete(stream);
      if (carriers.length === 0) this.#expireLater(held);
    }
  }

  /** It has a carrier: it does not end by itself. */
  #keep(held: Held): void {
    held.expiry?.[Symbol.dispose]();
    held.expiry = null;
  }

  #expireLater(held: Held): void {
    if (this.#sessions.get(held.id) !== held) return;
    const { clock, keepMs, signal } = this.#o;
    if (signal.aborted) return;
    held.lostAt = clock.now();
    held.expiry ??= clock.after(keepMs, () => {
      this.#end(held, new TtunError("lost", "The client did not come back"));
    });
  }

  /** `tells`: the client hears that it need not come back. */
  #end(held: Held, error: TtunError, tells = false): void {
    if (this.#sessions.get(held.id) !== held) return;
    this.#sessions.delete(held.id);
    held.place[Symbol.dispose]();
    held.revocation?.[Symbol.dispose]();
    held.expiry?.[Symbol.dispose]();
    held.session.end(error);
    this.#memory.leave(held.address);
    held.secret.fill(0);
    const carriers = [...held.session.carriers];
    const last = tells ? carriers.pop() : undefined;
    for (const { channel } of carriers) channel.stream.reset();
    if (last !== undefined) void this.#turnOut(last, error.message); // never rejects
  }

  /** Ends a carrier with words for the client, which has a moment to read them. */
  async #turnOut(carrier: SessionCarrier, words: string): Promise<void> {
    await carrier.end(CloseCode.notAllowed, words);
    carrier.channel.stream.reset();
  }

  /**
   * Tells all clients that the server ends: nobody need come back to a session. Settles as
   * `RecordChannel.end` does.
   */
  async sayGoingDown(): Promise<void> {
    const { goingDown } = CloseCode;
    await Promise.all(
      [...this.#sessions.values()].map(({ session }) =>
        session.carriers.at(-1)?.end(goingDown, "the server is ending")
      ),
    );
  }

  /** Ends all sessions. */
  [Symbol.dispose](): void {
    for (const held of [...this.#sessions.values()]) {
      this.#end(held, new TtunError("lost", "The server has ended"));
    }
  }
}

/** Identifies a session among those of all keys: clients choose their sessions' numbers. */
export function idOf({ key, setup }: ProvedClient): string {
  return toHex(setup.session) + key;
}
