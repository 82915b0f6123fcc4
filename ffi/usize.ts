/** Sizes below this many bytes are kept as bigints in a table. */
const FEW = 4096;

const few: (bigint | undefined)[] = new Array(FEW);
let [last, lastAsBigint] = [FEW, BigInt(FEW)];

/**
 * Converts a size to a bigint for native calls. Each new bigint is an allocation, so small sizes
 * are cached, and so is the last larger one (whole buffers repeat).
 */
export function usize(size: number): bigint {
  if (size < FEW) return few[size] ??= BigInt(size);
  if (size !== last) lastAsBigint = BigInt(last = size);
  return lastAsBigint;
}
