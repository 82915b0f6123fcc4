import { bytesText, durationText, rateText } from "../status/text.ts";

/** Milliseconds that the rate is a mean of. */
const RATE_MS = 5000;

/** Samples of that time. */
const MOST_SAMPLES = 64;

const BAR_WIDTH = 20;

interface Sample {
  readonly at: number;
  readonly bytes: number;
}

/** Words for how far a transfer is: bytes, rate, and the time left where the size is known. */
export class TransferProgress {
  /** Bytes in all; null = nobody knows. */
  readonly #total: number | null;
  readonly #now: () => number;
  readonly #samples: Sample[];

  /** `now`: milliseconds of a monotonic clock. `begun`: bytes that were there before. */
  constructor(o: { total: number | null; now: () => number; begun?: number }) {
    this.#total = o.total;
    this.#now = o.now;
    this.#samples = [{ at: o.now(), bytes: o.begun ?? 0 }];
  }

  /** Returns the line; `bytes`: so far. To be called some times a second. */
  line(bytes: number): string {
    const rate = this.#rateWith({ at: this.#now(), bytes });
    const total = this.#total;
    if (total === null) return `${bytesText(bytes)}  ${rateText(rate)}`;
    const part = total === 0 ? 1 : Math.min(1, bytes / total);
    const left = rate > 0 && bytes < total ? (total - bytes) / rate : null;
    return [
      `[${"=".repeat(Math.floor(part * BAR_WIDTH)).padEnd(BAR_WIDTH)}]`,
      `${Math.floor(part * 100)} %`.padStart(5),
      `${bytesText(bytes)} of ${bytesText(total)}`,
      rateText(rate),
      ...(left === null ? [] : [`${durationText(Math.ceil(left))} left`]),
    ].join("  ");
  }

  /** Bytes per second over the last while. */
  #rateWith(sample: Sample): number {
    const samples = this.#samples;
    samples.push(sample);
    while (samples.length > 2 && samples[1]!.at <= sample.at - RATE_MS) samples.shift();
    if (samples.length > MOST_SAMPLES) samples.splice(1, 1);
    const first = samples[0]!;
    return (sample.bytes - first.bytes) * 1000 / Math.max(1, sample.at - first.at);
  }
}
