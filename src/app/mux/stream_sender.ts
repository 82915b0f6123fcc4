import type { Clock } from "../../contract/host.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import { RECORD_HEADER, RECORD_TAG } from "../../core/link/v2/record.ts";
import type { Mux, MuxCarrier } from "../../core/mux/mux.ts";
import type { RecordWriter } from "../link/record_writer.ts";
import type { WriteShare } from "../link/write_share.ts";
import { UNSENT_USUAL } from "../net/socket_options.ts";
import { RECORD_TEXT, type RecordBuffers, RECORDS } from "./record_buffers.ts";
import { UnsentLimit } from "./unsent_limit.ts";

/**
 * Writes after which others get a turn. Streams refill as they are sent: while the connection takes
 * all, a loop without a bound would read nothing until their windows are used up.
 */
const WRITES = 2;

/** Milliseconds from something that went out at once until something else may. */
const TOGETHER_MS = 0.2;

export interface StreamSenderOptions {
  readonly clock: Clock;
  readonly buffers: RecordBuffers;
  /** Sets how many bytes the connection may keep unsent. */
  readonly limitUnsent: (bytes: number) => void;
  /** Beside the packets of a device; absent = streams have the connection alone. */
  readonly share?: WriteShare | undefined;
}

/** Sends what the multiplexer has for one carrier, in turn with others who use its writer. */
export class StreamSender {
  readonly #mux: Mux;
  readonly #place: MuxCarrier;
  readonly #writer: RecordWriter;
  readonly #o: StreamSenderOptions;
  readonly #limit: UnsentLimit;
  /** The limit that the connection has. */
  #unsentBytes = UNSENT_USUAL;
  #isWriting = false;
  #isScheduled = false;
  /** In the middle of reading or writing, behind which everything wanted is sent. */
  #isBusy = false;
  #isWanted = false;
  /** Until then nothing goes out before its turn again. */
  #togetherUntil = -Infinity;

  constructor(mux: Mux, place: MuxCarrier, writer: RecordWriter, o: StreamSenderOptions) {
    this.#mux = mux;
    this.#place = place;
    this.#writer = writer;
    this.#o = o;
    this.#limit = new UnsentLimit(o.clock.now(), o.share !== undefined);
  }

  /** Sends what there is, together with what others have to send in this turn. */
  wake(): void {
    this.#isWanted = true;
    if (this.#isScheduled || this.#isWriting || this.#isBusy) return;
    this.#isScheduled = true;
    this.#o.clock.onTurn(this.#turn);
  }

  /**
   * Returns true if what is written now may go out by `flush`, without a turn of the event loop, for
   * somebody who waits for its answer; it is held until then. Of much that is written one after the
   * other only the first may, as the rest costs less together.
   */
  holdToFlush(): boolean {
    if (this.#isScheduled || this.#isWriting || this.#isBusy) return false;
    const now = this.#o.clock.now();
    if (now < this.#togetherUntil) return false;
    this.#togetherUntil = now + TOGETHER_MS;
    this.#isBusy = true;
    return true;
  }

  /** Postpones sending until `release` or `flush`. */
  hold(): void {
    this.#isBusy = true;
  }

  release(): void {
    this.#isBusy = false;
    if (this.#isWanted) this.wake();
  }

  readonly #turn = (): boolean => {
    this.#isScheduled = false;
    this.flush();
    return this.#mux.takeHandled();
  };

  /** Sends at once. */
  flush(): void {
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
    this.flush();
  };

  /** A failure shows in the stream's reader too. */
  #attempt(): MaybePromise<void> {
    try {
      return this.#writer.mutex.pass(this.#send);
    } catch {
      return; // shows in the reader
    }
  }

  readonly #send = (): MaybePromise<void> => {
    const rekeying = this.#writer.rekeyIfDue(RECORDS * RECORD_TEXT, RECORDS);
    return rekeying instanceof Promise ? rekeying.then(this.#seal) : this.#seal();
  };

  /** Fills a buffer with records and writes them at once. */
  readonly #seal = (): MaybePromise<void> => {
    const { buffers, clock, share } = this.#o;
    this.#limitUnsent(this.#limit.bytes);
    const buffer = buffers.take();
    const record = RECORD_HEADER + RECORD_TEXT + RECORD_TAG;
    const usual = this.#limit.write;
    const most = share?.most(usual) ?? usual;
    let [end, isAll] = [0, false];
    while (end + record <= buffer.length) {
      const at = end + RECORD_HEADER;
      const textEnd = this.#mux.fill(this.#place, buffer, at, at + RECORD_TEXT, most);
      isAll = textEnd === at;
      if (isAll) break;
      this.#writer.seal(buffer, at, textEnd - at);
      end = textEnd + RECORD_TAG;
      if (most < Infinity) break;
    }
    if (end === 0) {
      if (share !== undefined) this.#limitUnsent(UNSENT_USUAL); // packets have a limit of their own
      return buffers.give(buffer);
    }
    share?.wrote(end);
    if (!isAll) this.#isWanted = true; // there may be more
    const began = clock.now();
    const writing = this.#writer.write(buffer.subarray(0, end));
    const settle = () => {
      this.#limit.wrote(end, began, clock.now());
      buffers.give(buffer);
    };
    return writing instanceof Promise ? writing.finally(settle) : settle();
  };

  #limitUnsent(bytes: number): void {
    if (bytes === this.#unsentBytes) return;
    this.#unsentBytes = bytes;
    this.#o.limitUnsent(bytes);
  }
}
