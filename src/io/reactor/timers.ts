class Entry implements Disposable {
  readonly due: number;
  /** Timers due at one time fire in the order in which they were set. */
  readonly order: number;
  /** Cancelled if null; stays in the heap until it is due or the heap is tidied. */
  run: (() => void) | null;
  readonly #onCancel: () => void;

  constructor(due: number, order: number, run: () => void, onCancel: () => void) {
    this.due = due;
    this.order = order;
    this.run = run;
    this.#onCancel = onCancel;
  }

  [Symbol.dispose](): void {
    if (this.run === null) return;
    this.run = null;
    this.#onCancel();
  }
}

/** Longest wait: a C int of milliseconds (about 24 days); the loop then checks again. */
export const LONGEST_TIMER = 0x7fff_ffff;

/** A binary heap ordered by due time. */
export class Timers {
  readonly #now: () => number;
  #heap: Entry[] = [];
  /** Cancelled entries that are still in the heap. */
  #dead = 0;
  #set = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  after(ms: number, run: () => void): Disposable {
    const due = this.#now() + Math.max(0, ms);
    const entry = new Entry(due, this.#set++, run, this.#cancelled);
    this.#push(entry);
    return entry;
  }

  /** Milliseconds until the next timer; 0 if one is due, -1 if there is none. */
  untilNext(now: number): number {
    while (this.#heap[0] !== undefined && this.#heap[0].run === null) this.#pop();
    const next = this.#heap[0];
    if (next === undefined) return -1;
    return Math.min(LONGEST_TIMER, Math.max(0, Math.ceil(next.due - now)));
  }

  /** Timers set meanwhile wait for the next call. Returns true if any was due. */
  fire(now: number): boolean {
    const fresh = this.#set;
    let any = false;
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.due > now || first.order >= fresh) return any;
      const { run } = first;
      this.#pop();
      first.run = null; // cancelling has no effect from here on
      run?.();
      any = true;
    }
  }

  readonly #cancelled = (): void => {
    this.#dead++;
    // Most timers are deadlines that are met in time; a busy server would otherwise keep them all.
    if (this.#dead > 64 && this.#dead > this.#heap.length / 2) this.#tidy();
  };

  #tidy(): void {
    const live = this.#heap.filter((entry) => entry.run !== null);
    this.#heap = [];
    this.#dead = 0;
    for (const entry of live) this.#push(entry);
  }

  #push(entry: Entry): void {
    let at = this.#heap.push(entry) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!isBefore(entry, this.#heap[up]!)) break;
      this.#heap[at] = this.#heap[up]!;
      at = up;
    }
    this.#heap[at] = entry;
  }

  #pop(): void {
    const first = this.#heap[0]!;
    if (first.run === null) this.#dead--;
    const last = this.#heap.pop()!;
    if (this.#heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= this.#heap.length) break;
      if (down + 1 < this.#heap.length && isBefore(this.#heap[down + 1]!, this.#heap[down]!)) {
        down++;
      }
      if (!isBefore(this.#heap[down]!, last)) break;
      this.#heap[at] = this.#heap[down]!;
      at = down;
    }
    this.#heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
