/** A call that is to be made at a time; `run` is null once it was made or is not wanted any longer. */
export interface Timer {
  readonly time: number;
  run: (() => void) | null;
}

type Waiting = Timer & { readonly turn: number };

/** Cancelled timers that are left where they are. */
const FEW = 64;

/** Timers of a machine that has no clock: the earliest first, of one time in the order they came. */
export class Timers {
  #heap: Waiting[] = [];
  #turn = 0;
  /** Timers of the heap that are not wanted any longer. */
  #cancelled = 0;

  /** Calls `run` at `time`, in milliseconds of the caller's clock. */
  at(time: number, run: () => void): Timer {
    const timer = { time, run, turn: this.#turn++ };
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(timer, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
    return timer;
  }

  cancel(timer: Timer | null): void {
    if (timer === null || timer.run === null) return;
    timer.run = null;
    if (++this.#cancelled > FEW && this.#cancelled * 2 > this.#heap.length) this.#sweep();
  }

  /** Counts timers, some of which may not be wanted any longer. */
  get size(): number {
    return this.#heap.length;
  }

  /** Returns when the next timer is due; infinity when there is none. */
  due(): number {
    while (this.#heap.length > 0 && this.#heap[0]!.run === null) this.#take();
    return this.#heap[0]?.time ?? Infinity;
  }

  /** Makes all calls that are due at `now`. */
  run(now: number): void {
    while (this.due() <= now) {
      const timer = this.#take();
      const run = timer.run!;
      timer.run = null;
      run();
    }
  }

  /** Most timers are cancelled long before their time: they would keep much memory until then. */
  #sweep(): void {
    // An array in order is a heap.
    this.#heap = this.#heap.filter(({ run }) => run !== null)
      .sort((a, b) => isBefore(a, b) ? -1 : 1);
    this.#cancelled = 0;
  }

  #take(): Timer {
    const heap = this.#heap;
    const first = heap[0]!;
    if (first.run === null) this.#cancelled--;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: { time: number; turn: number }, b: { time: number; turn: number }): boolean {
  return a.time < b.time || (a.time === b.time && a.turn < b.turn);
}
