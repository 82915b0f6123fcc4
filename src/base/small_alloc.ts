/** Bytes of a slab: few, because one small array that lives on keeps all of them alive. */
const SLAB = 4 * 1024;

/** A longer one has memory of its own. */
const MOST = 512;

let slab = new Uint8Array(SLAB);
let at = 0;

/**
 * An array of so many zeros, the caller's. A few bytes are cut from a larger array that is never used
 * again: memory of its own, outside of V8's heap, costs an array ten times as much as a view does.
 */
export function allocSmall(length: number): Uint8Array<ArrayBuffer> {
  if (length > MOST) return new Uint8Array(length);
  if (at + length > SLAB) {
    slab = new Uint8Array(SLAB);
    at = 0;
  }
  return slab.subarray(at, at += length);
}

/** A copy, the caller's. */
export function copyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = allocSmall(bytes.length);
  copy.set(bytes);
  return copy;
}
