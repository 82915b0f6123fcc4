import type { RingHashes } from "../../src/core/mesh/hashes.ts";

const MASK = (1n << 128n) - 1n;

/** Returns a number of 32 bits for a text (FNV-1a, mixed). */
function hash32(text: string, seed: number): number {
  let hash = 0x811c_9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Quick hashes for the simulator, which nobody attacks. */
export const SIMULATED_HASHES: RingHashes = {
  position(bucket) {
    const [a, b] = [hash32(bucket, 1), hash32(bucket, 2)];
    return BigInt(a) << 96n | BigInt(b) << 64n | BigInt((a ^ 0x5555) >>> 0) << 32n | BigInt(b);
  },
  sum({ bucket, child, version }) {
    const name = BigInt(hash32(bucket + "/" + child, 3));
    const mixed = version.hlc * 0x9e37_79b9_7f4a_7c15n + version.writer * 0xc2b2_ae3d_27d4_eb4fn +
      version.epoch * 0x1656_67b1n + 1n;
    return mixed * (name << 32n | 0x8000_0001n) & MASK;
  },
};
