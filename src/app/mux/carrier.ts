import type { Connection } from "../../contract/connection.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import { NO_PACKET } from "../../contract/link.ts";
import { FrameType, readFrame } from "../../core/link/v2/frames.ts";
import type { LinkSession } from "../../core/link/v2/handshake.ts";
import type { Mux } from "../../core/mux/mux.ts";
import { DEAD_TIME, keepAlive } from "../link/keepalive.ts";
import { type FrameConsumer, RecordChannel } from "../link/record_channel.ts";
import type { RekeyLimits } from "../link/record_writer.ts";
import { isSuspect } from "../link/suspicion.ts";
import { DONE, runLoop, WOULD_BLOCK } from "../loop/ready_loop.ts";
import type { RecordBuffers } from "./record_buffers.ts";
import { SessionCarrier } from "./session_carrier.ts";

/** Frames after which others get a turn, where so many bytes of data count as one. */
const BUDGET = 256;
const FRAME_BYTES = 4096;

export interface CarrierOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly rekey?: RekeyLimits | undefined;
  readonly buffers: RecordBuffers;
  /** Seconds without a byte after which the peer counts as dead; absent = the usual ones. */
  readonly deadTime?: number | undefined;
}

/** A carrier that has its connection alone: reads it and keeps it alive. */
export class Carrier implements AsyncDisposable, FrameConsumer<void> {
  readonly channel: RecordChannel<void>;
  readonly ofSession: SessionCarrier;
  readonly #mux: Mux;
  readonly #o: CarrierOptions;
  /** Called once, when the first record behind the setup has come. */
  #onHeard: (() => void) | null = null;

  /** Owns stream and keys. The handshake is complete; `peerExpected` as `Mux.attach` has it. */
  constructor(
    mux: Mux,
    number: number,
    peerExpected: number | null,
    stream: Connection,
    session: LinkSession,
    o: CarrierOptions,
  ) {
    this.#mux = mux;
    this.#o = o;
    this.channel = new RecordChannel<void>(stream, session, this, o);
    this.ofSession = new SessionCarrier(mux, number, peerExpected, this.channel, {
      ...o,
      limitUnsent: (unsentBytes) => void stream.setOptions({ unsentBytes }),
    });
  }

  /** The peer should have answered by now, or nothing has gone or come for a while. */
  get isSuspect(): boolean {
    return isSuspect(this.channel, this.#o.clock.now());
  }

  set onHeard(run: () => void) {
    this.#onHeard = run;
  }

  /**
   * Runs until the peer ends the carrier, or the signal aborts.
   * @throws {ProtocolError} which ends the session; {TtunError} `lost`: this carrier is dead
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, rng, deadTime = DEAD_TIME } = this.#o;
    const stop = new AbortController();
    const watching = keepAlive(this.channel, {
      clock,
      rng,
      deadTimeMs: deadTime * 1000,
      signal: AbortSignal.any([signal, stop.signal]),
    });
    try {
      await Promise.race([this.#read(), watching]);
    } finally {
      stop.abort();
      await watching.catch(() => {}); // its reason is the abort, or was thrown above
    }
  }

  #read(): Promise<void> {
    const { clock } = this.#o;
    const { stream } = this.channel;
    const { sender } = this.ofSession;
    return runLoop<void>({
      clock,
      budget: BUDGET,
      onReady: (run) => stream.onReadable(() => run() === true && this.#mux.takeHandled()),
    }, () => {
      sender.hold();
      const before = this.#mux.receivedBytes;
      const count = this.channel.recvNow();
      if (count === undefined) sender.flush(); // behind all that has come
      else sender.release();
      if (this.#onHeard !== null && this.channel.heard > 0) this.#tellHeard();
      if (count === undefined) return WOULD_BLOCK;
      if (count === 0) return DONE;
      if (count === NO_PACKET) return BUDGET / 8;
      return count + (this.#mux.receivedBytes - before) / FRAME_BYTES;
    });
  }

  #tellHeard(): void {
    const run = this.#onHeard!;
    this.#onHeard = null;
    run();
  }

  readFrames(channel: RecordChannel<void>): number {
    const { frames } = channel;
    let count = 0;
    while (!frames.isAtEnd) {
      const type = frames.bytes[frames.at];
      if (this.ofSession.receive(frames)) count++;
      else if (type === FrameType.packet || type === FrameType.gsoPacket) {
        readFrame(frames); // there is no device here
        channel.budget.excess++;
        if (!channel.spend()) break;
      } else if (!channel.readControl()) break;
    }
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.channel[Symbol.asyncDispose]();
  }
}
