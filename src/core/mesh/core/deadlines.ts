/**
 * The earliest of many times, each with a name. A time may be later by now than it was set to: the
 * owner finds that out when it comes, and sets it again.
 */
export class Deadlines {
  /** A binary heap; entries that `#set` does not name are out of date. */
  readonly #heap: { at: number; name: string }[] = [];
  readonly #set = new Map<string, number>();

  /** Milliseconds of the owner's clock, or Infinity without any. */
  get next(): number {
    return this.#heap[0]?.at ?? Infinity;
  }

  /** Has `takeDue` tell the name at `at`, or at the earlier time that it has already. */
  set(name: string, at: number): void {
    if ((this.#set.get(name) ?? Infinity) <= at) return;
    this.#set.set(name, at);
    const heap = this.#heap;
    let index = heap.push({ at, name }) - 1;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (heap[parent]!.at <= heap[index]!.at) return;
      [heap[parent], heap[index]] = [heap[index]!, heap[parent]!];
      index = parent;
    }
  }

  /** Takes a name whose time has come, or undefined. */
  takeDue(nowMs: number): string | undefined {
    while (this.next <= nowMs) {
      const { at, name } = this.#pop();
      if (this.#set.get(name) !== at) continue;
      this.#set.delete(name);
      return name;
    }
    return undefined;
  }

  #pop(): { at: number; name: string } {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let index = 0;;) {
      const [left, right] = [2 * index + 1, 2 * index + 2];
      let least = index;
      if (left < heap.length && heap[left]!.at < heap[least]!.at) least = left;
      if (right < heap.length && heap[right]!.at < heap[least]!.at) least = right;
      if (least === index) return first;
      [heap[least], heap[index]] = [heap[index]!, heap[least]!];
      index = least;
    }
  }
}
