/** Links between simulated nodes, by the numbers of the nodes. */
export class Network {
  /** Part of the frames that are lost, doubled, or held back so that later ones overtake them. */
  loss = 0;
  doubling = 0;
  reordering = 0;
  /** One-way latencies in milliseconds, fixed for each pair. */
  shortest = 5;
  longest = 65;
  jitter = 2;
  readonly #random: () => number;
  readonly #seed: number;
  /** Directed pairs that are cut, each as often as something cuts it. */
  readonly #cuts = new Map<number, number>();

  constructor(seed: number, random: () => number) {
    this.#seed = seed;
    this.#random = random;
  }

  /** Returns the delays after which copies of a frame arrive: none, one or two. */
  delays(from: number, to: number): number[] {
    if (this.#cuts.size > 0 && this.isCut(from, to)) return [];
    const delay = this.latency(from, to) + this.jitter * this.#random();
    if (this.loss > 0 && this.#random() < this.loss) return [];
    if (this.reordering > 0 && this.#random() < this.reordering) {
      return [delay + 200 * this.#random()];
    }
    if (this.doubling > 0 && this.#random() < this.doubling) {
      return [delay, delay + 100 * this.#random()];
    }
    return [delay];
  }

  latency(from: number, to: number): number {
    const [low, high] = from < to ? [from, to] : [to, from];
    let mixed = Math.imul(low + 1, 0x9e37_79b1) ^ Math.imul(high + 1, 0x85eb_ca6b) ^ this.#seed;
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b_3c6d);
    mixed = (mixed ^ (mixed >>> 12)) >>> 0;
    return this.shortest + (this.longest - this.shortest) * (mixed / 0x1_0000_0000);
  }

  isCut(from: number, to: number): boolean {
    return (this.#cuts.get(from * 0x1_0000 + to) ?? 0) > 0;
  }

  /** Cuts a direction; a function that mends it is returned. */
  cut(from: number, to: number): () => void {
    const pair = from * 0x1_0000 + to;
    this.#cuts.set(pair, (this.#cuts.get(pair) ?? 0) + 1);
    return () => {
      const left = this.#cuts.get(pair)! - 1;
      if (left > 0) this.#cuts.set(pair, left);
      else this.#cuts.delete(pair);
    };
  }

  /** Cuts all that goes from one group to another, and back where it is two-way. */
  part(some: readonly number[], others: readonly number[], isTwoWay: boolean): () => void {
    const mends = some.flatMap((a) =>
      others.flatMap((b) => isTwoWay ? [this.cut(a, b), this.cut(b, a)] : [this.cut(a, b)])
    );
    return () => mends.forEach((mend) => mend());
  }
}
