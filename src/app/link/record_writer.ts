import type { Clock } from "../../contract/host.ts";
import type { MaybePromise, Stream } from "../../contract/stream.ts";
import { packRekey } from "../../core/link/v2/frames.ts";
import { sealText } from "../../core/link/v2/key_schedule.ts";
import type { RecordSealer } from "../../core/link/v2/record.ts";
import { write } from "../loop/stream_io.ts";
import { WriteMutex } from "../loop/write_mutex.ts";

/** Keys must change within these limits (docs/wire/link-v2.md, "Record"). */
export interface RekeyLimits {
  readonly records: number;
  readonly bytes: number;
  readonly ms: number;
}

export const DEFAULT_REKEY: RekeyLimits = { records: 2 ** 32 - 1, bytes: 2 ** 36, ms: 3_600_000 };

/** Seals records, changes keys in time, and writes in order to a borrowed stream. */
export class RecordWriter {
  /** A writer that seals in place runs in it, or makes sure that it is not busy. */
  readonly mutex = new WriteMutex();
  lastSent: number;
  readonly #stream: Stream;
  readonly #sealer: RecordSealer;
  readonly #clock: Clock;
  readonly #limits: RekeyLimits;
  /** Bytes sealed under the current keys, and the time of their first use. */
  #sealedBytes = 0;
  #sealedSince: number;

  constructor(stream: Stream, sealer: RecordSealer, clock: Clock, limits: RekeyLimits) {
    this.#stream = stream;
    this.#sealer = sealer;
    this.#clock = clock;
    this.#limits = limits;
    this.lastSent = this.#sealedSince = clock.now();
  }

  /** `text` is called when the record's turn has come. */
  send(text: () => Uint8Array): MaybePromise<void> {
    return this.mutex.pass(() => this.#sendText(text()));
  }

  /** Does not wait; a failure shows in the stream's reader, which somebody waits for. */
  sendAside(text: () => Uint8Array): void {
    try {
      const sending = this.send(text);
      if (sending instanceof Promise) sending.catch(() => {}); // shows in the reader
    } catch {
      // Shows in the reader.
    }
  }

  #sendText(text: Uint8Array): MaybePromise<void> {
    const rekeying = this.rekeyIfDue(text.length);
    this.#sealedBytes += text.length;
    const send = () => this.write(sealText(this.#sealer, text));
    return rekeying instanceof Promise ? rekeying.then(send) : send();
  }

  /** New keys are due before `records` more, with `length` bytes of text in total. */
  isRekeyDue(length: number, records = 1): boolean {
    return this.#sealer.counter + records >= this.#limits.records ||
      this.#sealedBytes + length > this.#limits.bytes ||
      this.#clock.now() - this.#sealedSince > this.#limits.ms;
  }

  /** Frame 05 ends a record; the next one is under new keys. */
  rekeyIfDue(length: number, records = 1): MaybePromise<void> {
    if (!this.isRekeyDue(length, records)) return;
    const record = sealText(this.#sealer, packRekey());
    this.#sealer.rekey();
    this.#sealedBytes = 0;
    this.#sealedSince = this.#clock.now();
    return this.write(record);
  }

  /** Seals `bytes[at..at+length)` in place (`RecordSealer.seal`). `write` must follow in order. */
  seal(bytes: Uint8Array, at: number, length: number): void {
    this.#sealer.seal(bytes, at, length);
    this.#sealedBytes += length;
  }

  /** `records` are whole ones, borrowed until settled. */
  write(records: Uint8Array): MaybePromise<void> {
    this.lastSent = this.#clock.now();
    return write(this.#stream, records);
  }
}
