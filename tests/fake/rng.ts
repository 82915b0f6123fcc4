import type { Rng } from "../../src/contract/host.ts";

/** Random bytes that only depend on the seed (xorshift32). */
export function seededRng(seed: number): Rng {
  let state = (seed * 0x9e37_79b9) >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 24;
  };
  for (let i = 0; i < 8; i++) next(); // neighbouring seeds part ways
  return (length) => Uint8Array.from({ length }, next);
}
