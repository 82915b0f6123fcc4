/** Medians and other quantiles of small samples. */

/** The value that the share `q` of all is below, of those that were there; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * q), sorted.length - 1)] ?? NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Smallest probability that an interval has the true median in it. */
const CONFIDENCE = 0.95;

/**
 * The interval that has the median of the whole with at least 95 %, whatever its distribution: between
 * two of the ordered values, by the binomial distribution (the sign test's interval). Unbounded for
 * fewer than six values.
 */
export function medianInterval(values: readonly number[]): [from: number, to: number] {
  const sorted = values.toSorted((a, b) => a - b);
  const count = sorted.length;
  let outside = 0; // probability that at most `rank` of all values are below the median
  let term = 0.5 ** count;
  let rank = 0;
  for (; rank < count; rank++) {
    outside += term;
    if (1 - 2 * outside < CONFIDENCE) break;
    term *= (count - rank) / (rank + 1);
  }
  if (rank === 0) return [-Infinity, Infinity];
  return [sorted[rank - 1]!, sorted[count - rank]!];
}
