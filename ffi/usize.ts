const FEW = 4096;

const few: (bigint | undefined)[] = new Array(FEW);
let [last, lastAsBigint] = [FEW, BigInt(FEW)];

/** Each new bigint is an allocation, so small sizes and the last larger one are cached. */
export function usize(size: number): bigint {
  if (size < FEW) return few[size] ??= BigInt(size);
  if (size !== last) lastAsBigint = BigInt(last = size);
  return lastAsBigint;
}
