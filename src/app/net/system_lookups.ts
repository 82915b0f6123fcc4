import { abortable, onAbort } from "../../base/scope.ts";
import { keyOf } from "./name_service.ts";

/** Threads that may be busy at once, of these for one key, and one owner: no such question can be ended. */
const MOST_THREADS = 4;
const MOST_PER_KEY = 2;
const MOST_PER_OWNER = 1;

interface Waiting {
  readonly host: string;
  readonly owner: string;
  readonly begin: (answer: Promise<string[]>) => void;
}

/**
 * Names that only the C library can resolve (getaddrinfo), a few at once. A thread is busy until it
 * comes back, also when nobody waits for it any more.
 */
export class SystemLookups {
  readonly #ask: (host: string) => Promise<string[]>;
  readonly #running = new Map<string, Promise<string[]>>();
  readonly #busy = new Map<string, number>();
  #threads = 0;
  #queue: Waiting[] = [];

  /** `ask`: on a thread of the system's. */
  constructor(ask: (host: string) => Promise<string[]>) {
    this.#ask = ask;
  }

  /**
   * `owner` undefined: it waits behind nobody, and counts against nobody.
   * @throws {NameError}; the signal's reason
   */
  async lookUp(host: string, owner: string | undefined, signal: AbortSignal): Promise<string[]> {
    signal.throwIfAborted();
    const running = this.#running.get(host);
    if (running !== undefined) return [...await abortable(running, signal)];
    if (owner === undefined) return [...await abortable(this.#run(host, () => {}), signal)];
    const answer = Promise.withResolvers<string[]>();
    const waiting: Waiting = {
      host,
      owner,
      begin: (found) => found.then(answer.resolve, answer.reject),
    };
    using _tie = onAbort(signal, (reason) => {
      this.#queue = this.#queue.filter((other) => other !== waiting);
      answer.reject(reason);
    });
    this.#queue.push(waiting);
    this.#next();
    return [...await answer.promise];
  }

  /**
   * The turn of the owner that waits longest and has a thread left. Of its names the newest: behind
   * names that nobody answers the older ones are given up soon anyhow.
   */
  #next(): void {
    while (this.#threads < MOST_THREADS) {
      const at = this.#queue.findIndex(({ owner, host }) =>
        this.#running.has(host) ||
        ((this.#busy.get(owner) ?? 0) < MOST_PER_OWNER && this.#busyOfKey(owner) < MOST_PER_KEY)
      );
      if (at < 0) return;
      const first = this.#queue[at]!;
      const isJoined = this.#running.has(first.host);
      const newest = this.#queue.findLastIndex((other) => other.owner === first.owner);
      const [{ host, owner, begin }] = this.#queue.splice(isJoined ? at : newest, 1) as [Waiting];
      const running = this.#running.get(host);
      if (running !== undefined) {
        begin(running);
        continue;
      }
      this.#threads++;
      this.#busy.set(owner, (this.#busy.get(owner) ?? 0) + 1);
      begin(this.#run(host, () => {
        this.#threads--;
        const left = this.#busy.get(owner)! - 1;
        if (left === 0) this.#busy.delete(owner);
        else this.#busy.set(owner, left);
        this.#next();
      }));
    }
  }

  /** Threads of the owner's key; where owners are addresses alone each is for itself. */
  #busyOfKey(owner: string): number {
    const key = keyOf(owner);
    if (key === "") return 0;
    let count = 0;
    for (const [other, busy] of this.#busy) if (keyOf(other) === key) count += busy;
    return count;
  }

  #run(host: string, onEnd: () => void): Promise<string[]> {
    const answer = this.#ask(host).finally(() => {
      this.#running.delete(host);
      onEnd();
    });
    answer.catch(() => {}); // whoever waited may have gone
    this.#running.set(host, answer);
    return answer;
  }
}
