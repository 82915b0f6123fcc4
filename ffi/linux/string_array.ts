export const POINTER_SIZE = 8;

/** Lays out an array of pointers to strings, as argv is, with the strings behind it. */
export function strings(texts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const room = POINTER_SIZE * (texts.length + 1);
  const all = new Uint8Array(texts.reduce((sum, { length }) => sum + length + 1, room));
  const start = Deno.UnsafePointer.value(Deno.UnsafePointer.of(all));
  const values = new BigUint64Array(all.buffer, 0, texts.length);
  let at = room;
  for (const [i, bytes] of texts.entries()) {
    values[i] = start + BigInt(at);
    all.set(bytes, at);
    at += bytes.length + 1;
  }
  return all;
}
