/** Returns random bytes of the system in a new array. */
export function rng(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
