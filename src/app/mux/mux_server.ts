import type { Addr } from "../../base/addr.ts";
import { constantTimeEqual, toHex } from "../../base/bytes.ts";
import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import type { LogFields, Logger } from "../../base/log.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import type { LinkSession } from "../../core/link/v2/handshake.ts";
import { resumeProof } from "../../core/link/v2/key_schedule.ts";
import { ReplayMemory } from "../../core/link/v2/replay_filter.ts";
import { Capability } from "../../core/link/v2/setup.ts";
import { type Open, Refusal } from "../../core/mux/frames.ts";
import type { Mux } from "../../core/mux/mux.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { OpenLimit } from "../../core/mux/open_limit.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import { acceptCarrier } from "../link/accept_carrier.ts";
import type { ProvedClient } from "../link/candidate.ts";
import type { WireSecrets } from "../link/config.ts";
import { write } from "../loop/stream_io.ts";
import { addressGroup } from "../net/address_group.ts";
import { Quota } from "../net/connection_quota.ts";
import { Gatekeeper, type Visitor } from "../net/gatekeeper.ts";
import type { PendingLimits } from "../net/pending_connections.ts";
import { Stranger } from "../net/stranger.ts";
import { Carrier } from "./carrier.ts";
import { streamOffer } from "./limits.ts";
import { ServerMemory } from "./session_memory.ts";
import { RecordBuffers } from "./record_buffers.ts";
import { StreamSession } from "./stream_session.ts";

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

export interface MuxServerOptions {
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds that a session without a carrier is kept. */
  readonly keepMs: number;
  readonly signal: AbortSignal;
  readonly limits?: PendingLimits | undefined;
  readonly sessionLimits?: SessionLimits | undefined;
  /** Has all sessions that there are. */
  readonly sessions?: SessionList | undefined;
  /** Answers a stream that a client has opened. */
  readonly onOpened: (stream: MuxStream, open: Open, client: SessionClient) => void;
  /** Facts about a connection for the log. */
  readonly facts?: (stream: Connection) => LogFields;
}

/** A client with a session: one object as long as the session lasts. */
export interface SessionClient {
  /** Address of its first carrier. */
  readonly from: Addr;
  readonly mux: Mux;
}

/** A session that goes on from carrier to carrier. */
interface Held {
  readonly id: string;
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
}

/**
 * Sessions of streams with any number of clients, from a connection's proof to the end of what it
 * carries: one long file, as admission and expiry decide about the same table.
 */
export class MuxServer {
  readonly #o: MuxServerOptions;
  readonly #gatekeeper: Gatekeeper;
  readonly #replay = new ReplayMemory();
  readonly #said: RateLimitedLog;
  readonly #memory = new ServerMemory();
  readonly #buffers = new RecordBuffers();
  readonly #sessions = new Map<string, Held>();
  readonly #places: Quota;
  /** Sessions by the connections of their carriers. */
  readonly #carried = new Map<Stream, Held>();

  constructor(o: MuxServerOptions) {
    const { clock, log, limits, sessionLimits = SESSIONS, secrets: { rng }, signal } = o;
    this.#o = o;
    this.#places = new Quota(sessionLimits);
    this.#said = new RateLimitedLog(log, () => clock.now(), OF_PEERS);
    this.#gatekeeper = new Gatekeeper({
      clock,
      rng,
      limits,
      onRejected: (why, peer) => {
        if (why instanceof Stranger || !signal.aborted) this.#reject(why, peer);
      },
    });
  }

  /** Drops a connection when descriptors run out; returns false if there is none to drop. */
  evictIdle(): boolean {
    return this.#gatekeeper.evictIdle();
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

  /** Handles one connection from accept to close. Never throws: an error ends only this one. */
  async serve(stream: Connection): Promise<void> {
    await using owned = stream;
    const { peer } = owned;
    this.#o.log.debug("connection", { peer });
    try {
      const proved = await this.#gatekeeper.admit(owned, peer, this.#prove, undefined);
      if (proved === null) return;
      using _handshake = proved.handshake;
      if (await this.take(owned, proved)) await this.#gatekeeper.fallSilent(owned);
    } catch (thrown) {
      if (!this.#o.signal.aborted) this.#reject(thrown, peer);
    }
  }

  readonly #prove = (
    stream: Connection,
    _: undefined,
    visitor: Visitor,
  ): Promise<ProvedClient> => {
    const { clock, secrets } = this.#o;
    const onRightHello = () => visitor.recognise();
    const o = { secrets, clock, replay: this.#replay, onRightHello };
    return acceptCarrier(stream, o, streamOffer());
  };

  #reject(thrown: unknown, peer: string): void {
    const error = thrown instanceof Stranger ? thrown : toTtunError(thrown);
    this.#said.warn("handshake rejected", { peer, why: error.message });
    if (error instanceof TtunError && error.kind === "internal") {
      this.#o.log.error(error.message, { peer });
    }
  }

  /**
   * Runs the carrier of a client that has proved the key; true if it ended by a damaged record.
   * Connection and handshake stay the caller's.
   */
  async take(stream: Connection, client: ProvedClient): Promise<boolean> {
    const { handshake, setup } = client;
    const id = toHex(setup.session);
    const held = this.#sessions.get(id) ?? null;
    const refusal = setup.resume === undefined
      ? this.#refusal(setup, held)
      : this.#resumeRefusal(client, held);
    if (refusal !== null) return await this.#turnAway(stream, client, refusal);
    if (held === null || setup.resume === undefined) return await this.#begin(stream, client, id);
    held.highest = setup.carrier;
    const proof = resumeProof(held.secret, "s", handshake.traffic.transcript);
    const { bytes, session } = handshake.accept({
      resume: { expected: held.session.mux.expected, proof },
    });
    return await this.#carry(stream, held, setup.resume.expected, bytes, session);
  }

  async #turnAway(
    stream: Connection,
    { handshake }: ProvedClient,
    { code, words }: Refusal,
  ): Promise<false> {
    this.#said.warn("client turned away", { peer: stream.peer, why: words });
    await write(stream, handshake.refuse(code, words));
    await stream.closeWrite();
    return false;
  }

  #refusal({ capabilities }: ProvedClient["setup"], held: Held | null): Refusal | null {
    if ((capabilities & Capability.streams) === 0) {
      return {
        code: CloseCode.notAllowed,
        words: "this server has no device (--no-tun): it forwards streams alone",
      };
    }
    if (held !== null) {
      return { code: CloseCode.notAllowed, words: "this session is there already" };
    }
    return null;
  }

  #resumeRefusal({ handshake, setup }: ProvedClient, held: Held | null): Refusal | null {
    if (held === null) return { code: CloseCode.unknownSession, words: "unknown session" };
    const proof = resumeProof(held.secret, "c", handshake.traffic.transcript);
    const isRight = constantTimeEqual(proof, setup.resume!.proof);
    if (!isRight || toHex(setup.instance) !== held.instance) {
      return { code: CloseCode.notAllowed, words: "this is another client's session" };
    }
    if (setup.carrier > held.highest) return null;
    return { code: CloseCode.carrier, words: "a newer connection of this session is there" };
  }

  #begin(stream: Connection, proved: ProvedClient, id: string): Promise<boolean> {
    const { clock, onOpened } = this.#o;
    const { handshake, setup } = proved;
    this.#endOthers(toHex(setup.instance));
    const place = this.#places.take(stream.remote, {
      account: "",
      get lastActive() {
        return held.session.carriers.at(-1)?.channel.lastArrival ?? held.lostAt;
      },
      evict: () => {
        const words = "It has lost its session to another address";
        this.#end(held, new TtunError("busy", words));
      },
    });
    if (place === null) {
      const words = "it has as many sessions as it may have";
      return this.#turnAway(stream, proved, { code: CloseCode.busy, words });
    }
    const { bytes, session } = handshake.accept({});
    const address = addressGroup(stream.remote);
    const opens = new OpenLimit(clock.now());
    const client: SessionClient = {
      from: stream.remote,
      get mux() {
        return held.session.mux;
      },
    };
    const held: Held = {
      id,
      instance: toHex(setup.instance),
      session: new StreamSession({
        role: "server",
        peer: session.peer,
        clock,
        memory: this.#memory.enter(address),
        onOpened: (opened, open) => {
          if (opens.take(clock.now())) return onOpened(opened, open, client);
          opened.answer(Refusal.generalFailure, null);
          this.#said.warn("a client opens streams too fast", { peer: stream.peer }, address);
        },
        address: stream.peer,
        sessions: this.#o.sessions,
      }),
      secret: session.resume.slice(),
      highest: setup.carrier,
      expiry: null,
      lostAt: clock.now(),
      address,
      place,
    };
    this.#sessions.set(id, held);
    this.#expireLater(held); // the client may be gone before the answer is written
    return this.#carry(stream, held, null, bytes, session);
  }

  /** A client has one session: ends another one of this instance. */
  #endOthers(instance: string): void {
    for (const other of [...this.#sessions.values()]) {
      if (other.instance !== instance) continue;
      this.#end(other, new TtunError("lost", "The client has begun another session"));
    }
  }

  /** Runs a carrier to its end; returns true if that was a damaged record. */
  async #carry(
    stream: Connection,
    held: Held,
    peerExpected: number | null,
    bytes: Uint8Array,
    session: LinkSession,
  ): Promise<boolean> {
    const { clock, secrets: { rng, rekey }, signal, facts = () => ({}) } = this.#o;
    const address = addressGroup(stream.remote);
    const { peer } = stream;
    const number = held.highest; // another one may come while the answer is written
    await using keys = new AsyncDisposableStack();
    keys.use(session);
    await write(stream, bytes);
    if (this.#sessions.get(held.id) !== held) { // it has ended meanwhile
      stream.reset();
      return false;
    }
    const o = { clock, rng, rekey, buffers: this.#buffers };
    const { mux, carriers } = held.session;
    let carrier: Carrier;
    try {
      carrier = new Carrier(mux, number, peerExpected, stream, session, o);
    } catch (thrown) { // it expects what was never sent
      this.#end(held, toTtunError(thrown));
      throw thrown;
    }
    keys.move();
    await using _carrier = carrier;
    const words = peerExpected === null ? "authenticated" : "session goes on";
    this.#said.info(words, { peer, wire: "v2", carries: "streams", ...facts(stream) }, address);
    if (carriers.length >= MOST_CARRIERS) carriers[0]!.channel.stream.reset();
    using _old = clock.after(OLD_CARRIER_MS, () => held.session.endOlder(carrier.ofSession));
    this.#carried.set(stream, held);
    try {
      this.#keep(held);
      await held.session.carry(carrier.ofSession, () => carrier.run(signal));
      this.#said.info("disconnected", { peer, why: "closed by the client" }, address);
      if (carrier.channel.closeCode === CloseCode.bye) {
        this.#end(held, new TtunError("lost", "The client has ended the session"));
      }
      return false;
    } catch (thrown) {
      if (signal.aborted) return false;
      const error = toTtunError(thrown);
      this.#said.warn("disconnected", { peer, why: error.message }, address);
      if (error instanceof ProtocolError && error.reason !== "cannot_open") this.#end(held, error);
      return error instanceof ProtocolError;
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

  #end(held: Held, error: TtunError): void {
    if (this.#sessions.get(held.id) !== held) return;
    this.#sessions.delete(held.id);
    held.place[Symbol.dispose]();
    held.expiry?.[Symbol.dispose]();
    held.session.end(error);
    this.#memory.leave(held.address);
    held.secret.fill(0);
    for (const { channel } of [...held.session.carriers]) channel.stream.reset();
  }

  /** Tells all clients that the server ends: nobody need come back to a session. */
  sayGoingDown(): void {
    for (const { session } of this.#sessions.values()) {
      session.carriers.at(-1)?.end(CloseCode.goingDown, "the server is ending");
    }
  }

  /** Ends all sessions. */
  [Symbol.dispose](): void {
    for (const held of [...this.#sessions.values()]) {
      this.#end(held, new TtunError("lost", "The server has ended"));
    }
  }
}

interface Refusal {
  readonly code: number;
  readonly words: string;
}
