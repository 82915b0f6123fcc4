import type { Clock } from "../../contract/host.ts";

/** Names that one link publishes, each for a time: the agent has to say so again and again. */
export class PublishedNames {
  readonly #clock: Clock;
  readonly #ended: (name: string) => void;
  readonly #timers = new Map<string, Disposable>();

  /** `ended`: called with a name whose time is over. */
  constructor(clock: Clock, ended: (name: string) => void) {
    this.#clock = clock;
    this.#ended = ended;
  }

  get size(): number {
    return this.#timers.size;
  }

  has(name: string): boolean {
    return this.#timers.has(name);
  }

  /** Returns true for a name that is new. `ms`: how long it holds from now on. */
  keep(name: string, ms: number): boolean {
    const before = this.#timers.get(name);
    before?.[Symbol.dispose]();
    const end = () => {
      this.#timers.delete(name);
      this.#ended(name);
    };
    this.#timers.set(name, this.#clock.after(ms, end));
    return before === undefined;
  }

  /** Returns false for a name that is not there. */
  delete(name: string): boolean {
    this.#timers.get(name)?.[Symbol.dispose]();
    return this.#timers.delete(name);
  }

  [Symbol.iterator](): Iterator<string> {
    return [...this.#timers.keys()][Symbol.iterator]();
  }
}
