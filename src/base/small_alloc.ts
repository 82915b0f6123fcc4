/** Bytes of a slab: few, so that one array which lives on does not keep much alive. */
const SLAB = 4 * 1024;

const MOST = 512;

let slab = new Uint8Array(SLAB);
let at = 0;

/**
 * Returns zeros, the caller's. A few bytes are cut from a slab that is never used again: memory of
 * its own, outside of V8's heap, costs ten times as much as a view.
 */
export function allocSmall(length: number): Uint8Array<ArrayBuffer> {
  if (length > MOST) return new Uint8Array(length);
  if (at + length > SLAB) {
    slab = new Uint8Array(SLAB);
    at = 0;
  }
  return slab.subarray(at, at += length);
}

export function copyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = allocSmall(bytes.length);
  copy.set(bytes);
  return copy;
}
