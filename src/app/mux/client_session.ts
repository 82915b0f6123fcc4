import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { Capability, ID_SIZE } from "../../core/link/v2/setup.ts";
import type { Open } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { WireSecrets } from "../link/config.ts";
import { connectCarrier } from "../link/connect_carrier.ts";
import { Carrier } from "./carrier.ts";
import { streamOffer } from "./limits.ts";
import type { RecordBuffers } from "./record_buffers.ts";
import type { SessionMemory } from "./session_memory.ts";
import { StreamSession } from "./stream_session.ts";

export interface ClientSessionOptions {
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  /** 16 random bytes that identify this process. */
  readonly instance: Uint8Array;
  readonly memory: SessionMemory;
  readonly buffers: RecordBuffers;
  /** The server has opened a stream, which is to be answered. */
  readonly onOpened: (stream: MuxStream, open: Open) => void;
  readonly sessions?: SessionList | undefined;
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

  constructor(o: ClientSessionOptions) {
    this.#o = o;
    this.#id = o.secrets.rng(ID_SIZE);
    this.lostAt = o.clock.now();
  }

  /** There from the first carrier on. */
  get streams(): StreamSession {
    return this.#streams!;
  }

  /**
   * Runs the handshake for another carrier, the first time for a new session. `proved`: the server
   * has proved the key, and the handshake goes on only if that returns true.
   * @throws {TtunError} auth, timeout, busy, clock, protocol, lost; {PeerClosed} `unknownSession`
   */
  async join(stream: Connection, proved: () => boolean): Promise<Carrier> {
    const { secrets, clock, instance, buffers } = this.#o;
    // Of several connections that are tried for a new session one alone gets as far as its number.
    const number = this.#streams === null ? 1 : ++this.#number;
    const { session, setup } = await connectCarrier(stream, {
      secrets,
      clock,
      offer: streamOffer(),
      identity: { instance, session: this.#id, carrier: number },
      proved,
      ...(this.#secret !== null && {
        resume: { secret: this.#secret, expected: this.streams.mux.expected },
      }),
    });
    if (this.#streams === null) {
      if ((session.peer.capabilities & Capability.streams) === 0) {
        session[Symbol.dispose]();
        throw noStreams();
      }
      this.#secret = session.resume.slice();
      this.#streams = new StreamSession({
        role: "client",
        peer: session.peer,
        clock,
        memory: this.#o.memory,
        onOpened: this.#o.onOpened,
        onMove: (seconds) => this.onMove(seconds),
        address: stream.peer,
        sessions: this.#o.sessions,
      });
    }
    const { rng, rekey } = secrets;
    const expected = setup.resume?.expected ?? null;
    const o = { clock, rng, rekey, buffers };
    try {
      return new Carrier(this.streams.mux, number, expected, stream, session, o);
    } catch (thrown) { // the server expects what was never sent
      session[Symbol.dispose]();
      throw thrown;
    }
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
