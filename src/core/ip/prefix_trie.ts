import type { Cidr } from "../../base/addr.ts";

const NONE = -1;

/** Finds the longest prefix in one step per bit; it allocates nothing, as every packet needs it. */
export class PrefixTrie {
  readonly #roots = { 4: new Tree(), 16: new Tree() };

  /** Networks are identified by their index; among equal ones the first counts. */
  constructor(networks: readonly Pick<Cidr, "bytes" | "prefix">[]) {
    for (const [i, { bytes, prefix }] of networks.entries()) {
      this.#roots[bytes.length === 4 ? 4 : 16].add(bytes, prefix, i);
    }
  }

  /** Returns the index of the network of the address of `size` bytes at `at`; -1 = none. */
  find(bytes: Uint8Array, at: number, size: 4 | 16): number {
    return this.#roots[size].find(bytes, at, 8 * size);
  }
}

/** A binary tree: node n has its children at 2n and 2n + 1, where 0 is none. */
class Tree {
  readonly #children: number[] = [0, 0];
  readonly #values: number[] = [NONE];

  add(bytes: Uint8Array, prefix: number, value: number): void {
    let node = 0;
    for (let bit = 0; bit < prefix; bit++) {
      const slot = 2 * node + ((bytes[bit >>> 3]! >>> (7 - (bit & 7))) & 1);
      if (this.#children[slot] === 0) {
        this.#children[slot] = this.#values.length;
        this.#children.push(0, 0);
        this.#values.push(NONE);
      }
      node = this.#children[slot]!;
    }
    if (this.#values[node] === NONE) this.#values[node] = value;
  }

  find(bytes: Uint8Array, at: number, bits: number): number {
    let node = 0;
    let best = this.#values[0]!;
    for (let bit = 0; bit < bits; bit++) {
      node = this.#children[2 * node + ((bytes[at + (bit >>> 3)]! >>> (7 - (bit & 7))) & 1)]!;
      if (node === 0) break;
      if (this.#values[node] !== NONE) best = this.#values[node]!;
    }
    return best;
  }
}
