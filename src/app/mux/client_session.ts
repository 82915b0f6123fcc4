import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { MetServer } from "../../core/link/v2/client_handshake.ts";
import { type LinkSession, PeerClosed } from "../../core/link/v2/handshake.ts";
import { Capability, ID_SIZE, type Offer } from "../../core/link/v2/setup.ts";
import type { Open } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { WireSecrets } from "../link/config.ts";
import type { SessionRequest } from "../link/connect.ts";
import { connectCarrier } from "../link/connect_carrier.ts";
import { Carrier } from "./carrier.ts";
import { streamOffer } from "./limits.ts";
import { RECORD_TEXT, type RecordBuffers } from "./record_buffers.ts";
import type { SessionMemory } from "./session_memory.ts";
import { StreamSession } from "./stream_session.ts";

/** Bytes of data that go right behind a client's setup: a server reads them in one go with it. */
const MOST_EARLY = 2048;

const NOTHING = new Uint8Array();

/** Opens that may go along with the setup of a new session, before the server has answered it. */
export interface EarlyOpens {
  /** There are some. */
  readonly wait: boolean;
  /** Opens them on this session, the first ones where they are many. */
  begin(session: StreamSession): void;
  /** The server has refused the session and done nothing: the opens wait for another one. */
  takeBack(): void;
}

export interface ClientSessionOptions {
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  /** 16 random bytes that identify this process. */
  readonly instance: Uint8Array;
  readonly memory: SessionMemory;
  readonly buffers: RecordBuffers;
  /** Seconds without a byte after which the server counts as dead; absent = the usual ones. */
  readonly deadTime?: number | undefined;
  /** The server has opened a stream, which is to be answered. */
  readonly onOpened: (stream: MuxStream, open: Open) => void;
  readonly sessions?: SessionList | undefined;
  readonly early: EarlyOpens;
}

/** A session at its client: goes on from carrier to carrier. */
export class ClientSession {
  /** Time when its last carrier was lost. */
  lostAt: number;
  /** Called when the server's port is to close, in so many seconds. */
  onMove: (seconds: number) => void = () => {};
  readonly #o: ClientSessionOptions;
  readonly #id: Uint8Array;
  /** The secret of its proofs, from the first handshake. */
  #secret: Uint8Array | null = null;
  #streams: StreamSession | null = null;
  /** Number of the last carrier that was tried. */
  #number = 1;
  #isKnown = false;

  constructor(o: ClientSessionOptions) {
    this.#o = o;
    this.#id = o.secrets.rng(ID_SIZE);
    this.lostAt = o.clock.now();
  }

  /** The server may have it: it has answered, or frames were sent to it whose answer is not there. */
  get hasBegun(): boolean {
    return this.#streams !== null;
  }

  /** The server has answered. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** There once the session has begun. */
  get streams(): StreamSession {
    return this.#streams!;
  }

  /** Returns what the handshake of another carrier says, the first time for a new session. */
  request(): SessionRequest {
    // Of several connections that are tried for a new session one alone gets as far as its number.
    const carrier = this.#streams === null ? 1 : ++this.#number;
    return {
      identity: { instance: this.#o.instance, session: this.#id, carrier },
      ...(this.#secret !== null && {
        resume: { secret: this.#secret, expected: this.streams.mux.expected },
      }),
    };
  }

  /** A handshake is complete, with a server at `address` that carries streams. */
  joined({ peer, resume }: LinkSession, address: string): StreamSession {
    this.#isKnown = true;
    return this.#streams ?? this.#begin(peer, resume, address);
  }

  #begin(peer: Offer, resume: Uint8Array, address: string): StreamSession {
    this.#secret = resume.slice();
    return this.#streams = new StreamSession({
      role: "client",
      peer,
      clock: this.#o.clock,
      memory: this.#o.memory,
      onOpened: this.#o.onOpened,
      onMove: (seconds) => this.onMove(seconds),
      address,
      sessions: this.#o.sessions,
    });
  }

  /**
   * Runs the handshake for another carrier. `proved`: the server has proved the key, and the
   * handshake goes on only if that returns true.
   * @throws {TtunError} auth, timeout, busy, clock, protocol, lost; {PeerClosed} `unknownSession`
   */
  async join(stream: Connection, proved: () => boolean): Promise<Carrier> {
    const { secrets, clock, buffers, deadTime } = this.#o;
    const request = this.request();
    const isFirst = request.resume === undefined;
    let wasEarly = false;
    const { session, setup } = await connectCarrier(stream, {
      secrets,
      clock,
      offer: streamOffer(deadTime),
      // Frames that have gone by another connection are not sent again as a new session's.
      proved: () => !(isFirst && this.hasBegun) && proved(),
      ...(isFirst && {
        early: (server) => {
          const frames = this.#early(server, stream.peer);
          wasEarly = frames.length > 0;
          return frames;
        },
      }),
      ...request,
    }).catch((error) => {
      if (wasEarly && error instanceof PeerClosed) this.#refused(error);
      throw error;
    });
    if ((session.peer.capabilities & Capability.streams) === 0) {
      session[Symbol.dispose]();
      throw noStreams();
    }
    const { mux } = this.joined(session, stream.peer);
    const { rng, rekey } = secrets;
    const expected = setup.resume?.expected ?? null;
    const o = { clock, rng, rekey, buffers, deadTime };
    try {
      return new Carrier(mux, request.identity.carrier, expected, stream, session, o);
    } catch (thrown) { // the server expects what was never sent
      session[Symbol.dispose]();
      throw thrown;
    }
  }

  /** Begins the session with what waits to be opened, and returns the frames for it. */
  #early({ offer, resume }: MetServer, address: string): Uint8Array {
    const { buffers, early } = this.#o;
    if (!early.wait || (offer.capabilities & Capability.streams) === 0) return NOTHING;
    const session = this.#begin(offer, resume, address);
    early.begin(session);
    const { mux } = session;
    const buffer = buffers.take();
    const place = mux.attach(1, null);
    const end = mux.fill(place, buffer, 0, RECORD_TEXT, MOST_EARLY);
    mux.detach(place); // what comes later waits for the answer
    const frames = buffer.slice(0, end);
    buffers.give(buffer);
    return frames;
  }

  /** The server has answered with words in place of a session, so it has none. */
  #refused(error: TtunError): void {
    this.#o.early.takeBack();
    this.end(error);
    this.#streams = this.#secret = null;
  }

  end(error: TtunError): void {
    this.#secret?.fill(0);
    this.#streams?.end(error);
  }
}

function noStreams(): TtunError {
  return new TtunError(
    "protocol",
    "Cannot forward: the server carries a device's packets alone; start it with --no-tun, or " +
      "update it",
  );
}
