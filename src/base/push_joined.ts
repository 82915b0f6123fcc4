/** Bytes of the longest piece that is made of several. */
const JOINED = 4096;

/**
 * Appends a copy of `bytes` to pieces that wait, joining small ones: a peer that sends byte by byte
 * costs no more memory than one that does not. No piece may share its memory with others.
 */
export function pushJoined(pieces: Uint8Array[], bytes: Uint8Array): void {
  const last = pieces.at(-1);
  if (last === undefined || last.length + bytes.length > JOINED) {
    pieces.push(bytes.slice());
    return;
  }
  const size = last.length + bytes.length;
  let joined = new Uint8Array(last.buffer, last.byteOffset);
  if (joined.length < size) {
    joined = new Uint8Array(Math.min(2 * size, JOINED));
    joined.set(last);
  }
  joined.set(bytes, last.length);
  pieces[pieces.length - 1] = joined.subarray(0, size);
}
