/** Sums 16-bit words (RFC 1071; an odd last byte is a high one) and folds; exact up to 128 KB. */
export function checksumOf(bytes: Uint8Array, from: number, end: number, added = 0): number {
  let sum = added;
  const even = end - ((end - from) & 1);
  for (let i = from; i < even; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  if (even < end) sum += bytes[even]! << 8;
  return fold(sum);
}

/** Folds a sum to 16 bits by adding the carry (ones' complement). */
export function fold(sum: number): number {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
