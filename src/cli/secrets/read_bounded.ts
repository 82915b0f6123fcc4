/** Returns null above `limit` bytes. Takes no more memory. */
export async function readBounded(
  from: { read(into: Uint8Array): Promise<number | null> },
  limit: number,
): Promise<Uint8Array | null> {
  let buffer = new Uint8Array(Math.min(limit, 64 * 1024) + 1);
  let length = 0;
  for (;;) {
    const count = await from.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
    if (length > limit) break;
    if (length === buffer.length) buffer = grown(buffer, Math.min(2 * length, limit + 1));
  }
  const bytes = length > limit ? null : buffer.slice(0, length);
  buffer.fill(0); // it may have held a key
  return bytes;
}

function grown(old: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(size);
  larger.set(old);
  old.fill(0);
  return larger;
}
