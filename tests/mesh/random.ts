/** A source of chance that depends on its seed alone (mulberry32): numbers from 0 up to, without, 1. */
export function seededRandom(seed: number): () => number {
  let state = (seed * 0x9e37_79b9) >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** Returns an integer from 0 up to, and without, `below`. */
export function pick(random: () => number, below: number): number {
  return Math.floor(random() * below);
}
