/** A shorter size is looked up. */
const FEW = 4096;

const few: (bigint | undefined)[] = new Array(FEW);
let [last, lastAsBigint] = [FEW, BigInt(FEW)];

/**
 * A size as native calls take it. Each bigint is memory of its own, and the same sizes come again:
 * short messages, and whole buffers.
 */
export function usize(size: number): bigint {
  if (size < FEW) return few[size] ??= BigInt(size);
  if (size !== last) lastAsBigint = BigInt(last = size);
  return lastAsBigint;
}
