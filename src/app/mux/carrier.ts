import { ProtocolError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import { NO_PACKET } from "../../contract/link.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import { CloseCode, FrameType, packClose, readFrame } from "../../core/link/v2/frames.ts";
import type { LinkSession } from "../../core/link/v2/handshake.ts";
import { RECORD_HEADER, RECORD_TAG } from "../../core/link/v2/record.ts";
import type { Mux, MuxCarrier } from "../../core/mux/mux.ts";
import { DEAD_TIME, keepAlive } from "../link/keepalive.ts";
import { type FrameConsumer, RecordChannel } from "../link/record_channel.ts";
import type { RekeyLimits } from "../link/record_writer.ts";
import { DONE, runLoop, WOULD_BLOCK } from "../loop/ready_loop.ts";
import { UNSENT_USUAL } from "../net/socket_options.ts";
import { RECORD_TEXT, type RecordBuffers, RECORDS } from "./record_buffers.ts";
import { UnsentLimit } from "./unsent_limit.ts";

/** Frames after which others get a turn. */
const BUDGET = 256;

/**
 * Writes after which others get a turn. Streams refill as they are sent: while the connection takes
 * all, a loop without a bound would read nothing until their windows are used up.
 */
const WRITES = 2;

/** Milliseconds, beside some round trips, in which a ping is answered. */
const LEAST_ANSWER = 700;
const ANSWER_ROUNDS = 3;

/** Milliseconds that stand for the round trip until one was measured. */
const UNKNOWN_RTT = 1000;

/** Milliseconds: two event loops take so long, however near the other end is. */
const LEAST_RTT = 1;

/** Milliseconds without a byte from the peer while a write waits, beside the round trips. */
const SUSPICIOUS_SILENCE = 3000;

export interface CarrierOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly rekey?: RekeyLimits | undefined;
  readonly buffers: RecordBuffers;
}

/** One carrier of a session: opens its records and writes what the multiplexer has for it. */
export class Carrier implements AsyncDisposable, FrameConsumer<void> {
  readonly channel: RecordChannel<void>;
  readonly number: number;
  readonly #mux: Mux;
  readonly #place: MuxCarrier;
  readonly #o: CarrierOptions;
  readonly #stream: Connection;
  readonly #limit: UnsentLimit;
  /** The limit that the connection has. */
  #unsentBytes = UNSENT_USUAL;
  #leastRtt = NaN;
  #isWriting = false;
  #isScheduled = false;
  /** In the middle of reading or writing, behind which everything wanted is sent. */
  #isBusy = false;
  #isWanted = false;
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
    this.number = number;
    this.#o = o;
    this.#stream = stream;
    this.#limit = new UnsentLimit(o.clock.now());
    this.channel = new RecordChannel<void>(stream, session, this, o);
    this.#place = mux.attach(number, peerExpected);
  }

  /** The peer should have answered by now, or nothing has gone or come for a while. */
  get isSuspect(): boolean {
    const { channel } = this;
    const silence = this.#o.clock.now() - channel.lastArrival;
    const rtt = Number.isNaN(channel.rttMs) ? UNKNOWN_RTT : channel.rttMs;
    return channel.unansweredMs >= LEAST_ANSWER + ANSWER_ROUNDS * rtt ||
      channel.writer.mutex.isBusy && silence >= SUSPICIOUS_SILENCE + ANSWER_ROUNDS * rtt;
  }

  /** Least round trip so far, without the queues that bulk makes; NaN before it is known. */
  get leastRttMs(): number {
    const { rttMs } = this.channel;
    if (!(this.#leastRtt <= rttMs)) this.#leastRtt = Math.max(LEAST_RTT, rttMs);
    return this.#leastRtt;
  }

  set onHeard(run: () => void) {
    this.#onHeard = run;
  }

  /**
   * Runs until the peer ends the carrier, or the signal aborts.
   * @throws {ProtocolError} which ends the session; {TtunError} `lost`: this carrier is dead
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, rng } = this.#o;
    const stop = new AbortController();
    const watching = keepAlive(this.channel, {
      clock,
      rng,
      deadTimeMs: DEAD_TIME * 1000,
      signal: AbortSignal.any([signal, stop.signal]),
    });
    this.wake();
    try {
      await Promise.race([this.#read(), watching]);
    } catch (error) {
      const isDamaged = error instanceof ProtocolError && error.reason === "cannot_open";
      if (error instanceof ProtocolError && !isDamaged) {
        this.end(CloseCode.protocol, error.message);
      }
      throw error;
    } finally {
      stop.abort();
      await watching.catch(() => {}); // its reason is the abort, or was thrown above
      this.#mux.detach(this.#place);
    }
  }

  #read(): Promise<void> {
    const { clock } = this.#o;
    const { stream } = this.channel;
    return runLoop<void>({
      clock,
      budget: BUDGET,
      onReady: (run) => stream.onReadable(() => run() === true && this.#mux.takeHandled()),
    }, () => {
      this.#isBusy = true;
      const count = this.channel.recvNow();
      this.#isBusy = false;
      if (count === undefined) this.#flush(); // behind all that has come
      else if (this.#isWanted) this.wake();
      if (this.#onHeard !== null && this.channel.heard > 0) this.#tellHeard();
      if (count === undefined) return WOULD_BLOCK;
      if (count === 0) return DONE;
      return count === NO_PACKET ? BUDGET / 8 : count;
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
      if (this.#mux.receive(this.#place, frames)) count++;
      else if (type === FrameType.packet || type === FrameType.gsoPacket) {
        readFrame(frames); // there is no device here
        channel.budget.excess++;
        if (!channel.spend()) break;
      } else if (!channel.readControl()) break;
    }
    return count;
  }

  /** Sends what there is, together with what others have to send in this turn. */
  wake(): void {
    this.#isWanted = true;
    if (this.#isScheduled || this.#isWriting || this.#isBusy) return;
    this.#isScheduled = true;
    this.#o.clock.onTurn(this.#turn);
  }

  readonly #turn = (): boolean => {
    this.#isScheduled = false;
    this.#flush();
    return this.#mux.takeHandled();
  };

  #flush(): void {
    this.#isBusy = true;
    for (let left = WRITES; left > 0 && this.#isWanted && !this.#isWriting; left--) {
      this.#isWanted = false;
      const writing = this.#attempt();
      if (!(writing instanceof Promise)) continue;
      this.#isWriting = true;
      writing.then(this.#written, () => {}); // shows in the reader
    }
    this.#isBusy = false;
    if (this.#isWanted && !this.#isWriting) this.wake();
  }

  readonly #written = (): void => {
    this.#isWriting = false;
    this.#flush();
  };

  /** A failure shows in the stream's reader too. */
  #attempt(): MaybePromise<void> {
    try {
      return this.channel.writer.mutex.pass(this.#send);
    } catch {
      return; // shows in the reader
    }
  }

  readonly #send = (): MaybePromise<void> => {
    const rekeying = this.channel.writer.rekeyIfDue(RECORDS * RECORD_TEXT, RECORDS);
    return rekeying instanceof Promise ? rekeying.then(this.#seal) : this.#seal();
  };

  /** Fills a buffer with records and writes them at once. */
  readonly #seal = (): MaybePromise<void> => {
    const { buffers, clock } = this.#o;
    const { writer } = this.channel;
    this.#limitUnsent();
    const buffer = buffers.take();
    const record = RECORD_HEADER + RECORD_TEXT + RECORD_TAG;
    const most = this.#limit.write;
    let end = 0;
    while (end + record <= buffer.length) {
      const at = end + RECORD_HEADER;
      const textEnd = this.#mux.fill(this.#place, buffer, at, at + RECORD_TEXT, most);
      if (textEnd === at) break;
      writer.seal(buffer, at, textEnd - at);
      end = textEnd + RECORD_TAG;
      if (most < Infinity) break;
    }
    if (end === 0) return buffers.give(buffer);
    this.#isWanted = true; // there may be more
    const began = clock.now();
    const writing = writer.write(buffer.subarray(0, end));
    const settle = () => {
      this.#limit.wrote(end, began, clock.now());
      buffers.give(buffer);
    };
    return writing instanceof Promise ? writing.finally(settle) : settle();
  };

  #limitUnsent(): void {
    const { bytes } = this.#limit;
    if (bytes === this.#unsentBytes) return;
    this.#unsentBytes = bytes;
    this.#stream.setOptions({ unsentBytes: bytes });
  }

  /** Tells the peer that this carrier ends, and sends FIN. A failure shows in the reader. */
  end(code: number = CloseCode.carrier, words = ""): void {
    const { writer, stream } = this.channel;
    const end = async () => {
      await writer.send(() => packClose(code, words));
      await stream.closeWrite();
    };
    end().catch(() => {}); // shows in the reader
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.channel[Symbol.asyncDispose]();
  }
}
