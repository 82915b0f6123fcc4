/** Keys in the order of their bytes. They are ASCII, so JavaScript's order of texts is that one. */
export class KeyOrder {
  readonly #keys: string[];

  constructor(keys: Iterable<string>) {
    this.#keys = [...keys].sort(compare);
  }

  get size(): number {
    return this.#keys.length;
  }

  add(key: string): void {
    const at = this.#indexOf(key);
    if (this.#keys[at] !== key) this.#keys.splice(at, 0, key);
  }

  remove(key: string): void {
    const at = this.#indexOf(key);
    if (this.#keys[at] === key) this.#keys.splice(at, 1);
  }

  /** The first `limit` keys that begin with `prefix` and come after `after`. */
  range(prefix: string, after: string | undefined, limit: number): string[] {
    const found: string[] = [];
    let at = this.#indexOf(prefix);
    if (after !== undefined && after >= prefix) {
      at = this.#indexOf(after);
      if (this.#keys[at] === after) at++;
    }
    for (; found.length < limit; at++) {
      const key = this.#keys[at];
      if (key === undefined || !key.startsWith(prefix)) break;
      found.push(key);
    }
    return found;
  }

  /** Where `key` is, or would be. */
  #indexOf(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#keys[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
