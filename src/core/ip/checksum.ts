/**
 * The sum of RFC 1071 over `bytes[from..end)` as 16-bit words (an odd last byte counts as the high
 * one) and what is added, folded to 16 bits. At most 128 KB, or it would not be exact.
 */
export function checksumOf(bytes: Uint8Array, from: number, end: number, added = 0): number {
  let sum = added;
  const even = end - ((end - from) & 1);
  for (let i = from; i < even; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  if (even < end) sum += bytes[even]! << 8;
  return fold(sum);
}

/** Ones' complement addition: what has run over 16 bits comes in again at the bottom. */
export function fold(sum: number): number {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
