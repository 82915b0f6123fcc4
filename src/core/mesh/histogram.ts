/** Counts values by upper bounds, as a histogram of Prometheus does. */
export class Histogram {
  /** Ascending; there is one more class above the last. */
  readonly bounds: readonly number[];
  /** Values at or below each bound and above the one before, then those above all. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  add(value: number): void {
    let at = 0;
    while (at < this.bounds.length && value > this.bounds[at]!) at++;
    this.counts[at]!++;
    this.sum += value;
  }

  get count(): number {
    return this.counts.reduce((all, one) => all + one, 0);
  }
}

/** Bounds for requests and commits, in seconds. */
export const SECONDS: readonly number[] = [
  ...[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5, 1, 2.5, 5],
];
