import { MAX_DATA, type MuxStream, QUANTUM } from "./mux_stream.ts";
import type { LoggedFrame } from "./send_log.ts";

/**
 * Streams with data, by turns of a quantum (deficit round robin). A stream that has just got data
 * goes before those that have used up a turn (as in FQ-CoDel, RFC 8290 section 4.2): small ones do
 * not wait behind a transfer's backlog. One without data keeps its place behind the others until
 * its turn, so that streams which always have a little data take no more than their share. One alone
 * has longer turns.
 */
export class Scheduler {
  readonly #fresh: Fifo = new Fifo();
  readonly #bulk: Fifo = new Fifo();

  add(stream: MuxStream): void {
    if (stream.isScheduled) return;
    stream.isScheduled = true;
    stream.allowance = QUANTUM;
    this.#fresh.push(stream);
  }

  get #hasOne(): boolean {
    return this.#fresh.length + this.#bulk.length === 1;
  }

  /**
   * Takes a frame of at most `room` bytes with at most `credit` bytes of data; null = none. `least`
   * as `MuxStream.nextData` has it.
   */
  next(room: number, credit: number, least = 0): LoggedFrame | null {
    for (;;) {
      const isFresh = this.#fresh.first !== undefined;
      const from = isFresh ? this.#fresh : this.#bulk;
      const stream = from.first;
      if (stream === undefined) return null;
      const turn = this.#hasOne ? MAX_DATA : stream.allowance;
      const frame = stream.nextData(room, Math.min(credit, turn), least);
      if (frame === null && stream.hasData && stream.allowance > 0) return null; // no room, no credit
      if (frame !== null) stream.allowance -= frame.body!.bytes.length;
      if (stream.allowance <= 0) {
        from.shift();
        stream.allowance = QUANTUM;
        this.#bulk.push(stream);
      } else if (!stream.hasData) {
        from.shift();
        if (isFresh) this.#bulk.push(stream);
        else stream.isScheduled = false;
      }
      if (frame !== null) return frame;
    }
  }
}

class Fifo {
  #streams: MuxStream[] = [];
  #at = 0;

  get first(): MuxStream | undefined {
    return this.#streams[this.#at];
  }

  get length(): number {
    return this.#streams.length - this.#at;
  }

  push(stream: MuxStream): void {
    this.#streams.push(stream);
  }

  shift(): void {
    this.#at++;
    if (this.#at < this.#streams.length / 2) return;
    this.#streams = this.#streams.slice(this.#at);
    this.#at = 0;
  }
}
