/** A network cable: while it is pulled, what is sent stays under way, and nobody is told. */
export class Cable {
  #plugged = true;
  readonly #onPlug = new Set<() => void>();

  get plugged(): boolean {
    return this.#plugged;
  }

  pull(): void {
    this.#plugged = false;
  }

  plug(): void {
    this.#plugged = true;
    for (const run of [...this.#onPlug]) run();
  }

  /** Calls `run` each time the cable is plugged in again. */
  onPlug(run: () => void): Disposable {
    this.#onPlug.add(run);
    return { [Symbol.dispose]: () => this.#onPlug.delete(run) };
  }
}

/** Where one loop waits until another has something to look at. */
export class Gate {
  #waiting: PromiseWithResolvers<void> | null = null;
  #run: (() => unknown) | null = null;

  /** Calls `run` once, soon after the gate was opened; it replaces an earlier one that waits. */
  call(run: () => unknown): void {
    const isFirst = this.#run === null;
    this.#run = run;
    if (!isFirst) return;
    this.wait().then(() => {
      const last = this.#run;
      this.#run = null;
      last?.();
    });
  }

  wait(): Promise<void> {
    this.#waiting ??= Promise.withResolvers<void>();
    return this.#waiting.promise;
  }

  open(): void {
    this.#waiting?.resolve();
    this.#waiting = null;
  }
}

/** Events for the ends of a pipe. */
export interface PipeEnds {
  /** The receiver: bytes or the end came. False when nobody is there to take them. */
  arrived(): boolean;
  /** The sender: there is room again. */
  room(): void;
  /** The sender: bytes came to where nobody takes them. */
  refused(): void;
}

/**
 * One direction of a connection, as TCP carries it: in order, at most `capacity` bytes at a time,
 * acknowledged when they have arrived, read or not.
 */
export class Pipe {
  readonly #capacity: number;
  readonly #cables: readonly Cable[];
  readonly #ends: PipeEnds;
  #underWay: Uint8Array[] = [];
  readonly #arrived: Uint8Array[] = [];
  #held = 0;
  #unread = 0;
  #delivered = 0;
  #end: "open" | "sent" | "arrived" = "open";

  constructor(capacity: number, cables: readonly Cable[], ends: PipeEnds) {
    this.#capacity = capacity;
    this.#cables = cables;
    this.#ends = ends;
    for (const cable of cables) cable.onPlug(() => this.#deliver());
  }

  get plugged(): boolean {
    return this.#cables.every((cable) => cable.plugged);
  }

  /** Bytes that have arrived since the beginning. */
  get delivered(): number {
    return this.#delivered;
  }

  /** True when nothing that was pushed is still under way. */
  get isDelivered(): boolean {
    return this.#underWay.length === 0;
  }

  /** Bytes that have arrived and were not read. */
  get unread(): number {
    return this.#unread;
  }

  get finished(): boolean {
    return this.#end !== "open";
  }

  get endArrived(): boolean {
    return this.#end === "arrived";
  }

  /** Takes as many of the bytes as there is room for, as a copy; returns how many. */
  push(bytes: Uint8Array): number {
    const taken = bytes.slice(0, this.#capacity - this.#held);
    if (taken.length > 0) {
      this.#held += taken.length;
      this.#underWay.push(taken);
      this.#deliver();
    }
    return taken.length;
  }

  /** Moves what has arrived into `into`; returns how many bytes. */
  pull(into: Uint8Array): number {
    let done = 0;
    while (done < into.length && this.#arrived.length > 0) {
      const first = this.#arrived[0]!;
      const part = first.subarray(0, into.length - done);
      into.set(part, done);
      done += part.length;
      if (part.length < first.length) this.#arrived[0] = first.subarray(part.length);
      else this.#arrived.shift();
    }
    this.#unread -= done;
    this.#held -= done;
    if (done > 0) this.#ends.room();
    return done;
  }

  /** No more bytes come after those that were pushed. */
  finish(): void {
    if (this.#end === "open") this.#end = "sent";
    this.#deliver();
  }

  #deliver(): void {
    if (!this.plugged) return;
    const parts = this.#underWay;
    this.#underWay = [];
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    const ends = this.#end === "sent";
    if (bytes === 0 && !ends) return;
    this.#delivered += bytes;
    this.#unread += bytes;
    this.#arrived.push(...parts);
    if (ends) this.#end = "arrived";
    if (!this.#ends.arrived() && bytes > 0) this.#ends.refused();
  }
}
