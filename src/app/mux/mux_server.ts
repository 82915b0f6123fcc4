import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import type { LogFields, Logger } from "../../base/log.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { ReplayMemory } from "../../core/link/v2/replay_filter.ts";
import { Capability } from "../../core/link/v2/setup.ts";
import { acceptCarrier } from "../link/accept_carrier.ts";
import type { ProvedClient } from "../link/candidate.ts";
import { cipherFields, type TurnedAway, type WireSecrets } from "../link/config.ts";
import { sayRefusal } from "../link/say_refusal.ts";
import { write } from "../loop/stream_io.ts";
import { addressGroup } from "../net/address_group.ts";
import { Gatekeeper, type Visitor } from "../net/gatekeeper.ts";
import type { PendingLimits } from "../net/pending_connections.ts";
import { Stranger } from "../net/stranger.ts";
import { Carrier } from "./carrier.ts";
import { streamOffer } from "./limits.ts";
import { RecordBuffers } from "./record_buffers.ts";
import { resetIfBound } from "./reset_if_bound.ts";
import {
  ServedSessions,
  type ServedSessionsOptions,
  type SessionEntry,
} from "./served_sessions.ts";

export interface MuxServerOptions extends Omit<ServedSessionsOptions, "said"> {
  readonly secrets: WireSecrets;
  readonly log: Logger;
  readonly limits?: PendingLimits | undefined;
  /** Seconds without a byte after which a client counts as dead; absent = the usual ones. */
  readonly deadTime?: number | undefined;
  /** Facts about a connection for the log. */
  readonly facts?: (stream: Connection) => LogFields;
  /** Takes note of those without a key, whose connections end at once; absent = in silence. */
  readonly onStranger?: ((stream: Connection) => void) | undefined;
  /** Called for each connection whose client has not proved a key. */
  readonly onRejected?: (error: TtunError) => void;
}

/** Serves clients that want streams alone, from a connection's proof to its end. */
export class MuxServer implements Disposable {
  /** All of them, whoever runs their carriers. */
  readonly sessions: ServedSessions;
  /** Buffers for the records of all carriers. */
  readonly buffers = new RecordBuffers();
  readonly #o: MuxServerOptions;
  readonly #gatekeeper: Gatekeeper;
  readonly #replay = new ReplayMemory();
  readonly #said: RateLimitedLog;

  constructor(o: MuxServerOptions) {
    const { clock, log, limits, onStranger, secrets: { rng }, signal } = o;
    this.#o = o;
    this.#said = new RateLimitedLog(log, () => clock.now(), OF_PEERS);
    this.sessions = new ServedSessions({ ...o, said: this.#said });
    this.#gatekeeper = new Gatekeeper({
      clock,
      rng,
      limits,
      onStranger,
      onRejected: (why, peer) => {
        if (why instanceof Stranger || !signal.aborted) this.#reject(why, peer);
      },
    });
  }

  /** Drops a connection when descriptors run out; returns false if there is none to drop. */
  evictIdle(): boolean {
    return this.#gatekeeper.evictIdle();
  }

  /** Handles one connection from accept to close. Never throws: an error ends only this one. */
  async serve(stream: Connection): Promise<void> {
    await using owned = stream;
    const { peer } = owned;
    this.#o.log.debug("connection", { peer });
    try {
      const proved = await this.#gatekeeper.admit(owned, peer, this.#prove, undefined);
      if (proved === null) return resetIfBound(owned);
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
    const { clock, secrets, deadTime } = this.#o;
    const onRightHello = () => visitor.recognise();
    const o = { secrets, clock, replay: this.#replay, onRightHello };
    return acceptCarrier(stream, o, streamOffer(deadTime));
  };

  #reject(thrown: unknown, peer: string): void {
    const error = thrown instanceof Stranger ? thrown : toTtunError(thrown);
    this.#said.warn("handshake rejected", { peer, why: error.message });
    if (error instanceof TtunError && error.kind === "internal") {
      this.#o.log.error(error.message, { peer });
    }
    this.#o.onRejected?.(
      error instanceof TtunError ? error : new TtunError("auth", error.message, { cause: error }),
    );
  }

  /**
   * Runs the carrier of a client that has proved the key; true if it ended by a damaged record.
   * Connection and handshake stay the caller's.
   */
  async take(stream: Connection, client: ProvedClient): Promise<boolean> {
    const entry = wantsStreamsAlone(client) ? this.sessions.enter(stream, client) : NO_DEVICE;
    if (!("words" in entry)) return await this.#carry(stream, entry, client.key);
    this.#said.warn("client turned away", { peer: stream.peer, why: entry.words });
    await turnAway(stream, client, entry, this.#o.clock);
    return false;
  }

  /** Runs a carrier to its end; returns true if that was a damaged record. */
  async #carry(stream: Connection, entry: SessionEntry, key: string): Promise<boolean> {
    const { clock, secrets: { rng, rekey }, signal, facts = () => ({}), deadTime } = this.#o;
    const { number, peerExpected, bytes, session } = entry;
    const address = addressGroup(stream.remote);
    const { peer } = stream;
    await using keys = new AsyncDisposableStack();
    keys.use(session);
    await write(stream, bytes);
    const o = { clock, rng, rekey, buffers: this.buffers, deadTime };
    const carrier = this.sessions.attach(
      entry,
      ({ mux }) => new Carrier(mux, number, peerExpected, stream, session, o),
    );
    if (carrier === null) {
      stream.reset();
      return false;
    }
    keys.move();
    await using _carrier = carrier;
    const words = peerExpected === null ? "authenticated" : "session goes on";
    this.#said.info(words, {
      peer,
      wire: "v2",
      carries: "streams",
      ...(key !== "" && { user: key }),
      ...cipherFields(carrier.channel),
      ...facts(stream),
    }, address);
    try {
      await this.sessions.carry(entry, carrier.ofSession, () => carrier.run(signal));
      this.#said.info("disconnected", { peer, why: "closed by the client" }, address);
      return false;
    } catch (thrown) {
      if (signal.aborted) return false;
      this.#said.warn("disconnected", { peer, why: toTtunError(thrown).message }, address);
      return thrown instanceof ProtocolError;
    }
  }

  /** Ends all sessions. */
  [Symbol.dispose](): void {
    this.sessions[Symbol.dispose]();
  }
}

const NO_DEVICE: TurnedAway = {
  code: CloseCode.notAllowed,
  words: "this server has no device (--no-tun): it forwards streams alone",
};

function wantsStreamsAlone({ setup: { capabilities } }: ProvedClient): boolean {
  return (capabilities & (Capability.streams | Capability.tun)) === Capability.streams;
}

/** Tells a client why it gets no session. */
export async function turnAway(
  stream: Connection,
  { handshake }: ProvedClient,
  { code, words }: TurnedAway,
  clock: Clock,
): Promise<void> {
  await sayRefusal(stream, handshake.refuse(code, words), clock);
}
