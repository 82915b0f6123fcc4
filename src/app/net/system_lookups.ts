import { abortable, onAbort } from "../../base/scope.ts";
import { keyOf } from "./name_service.ts";

/** Busy threads in total, of a key, of an owner: a lookup cannot be cancelled. */
const MOST_THREADS = 4;
const MOST_PER_KEY = 2;
const MOST_PER_OWNER = 1;

interface Waiting {
  readonly host: string;
  readonly owner: string;
  readonly begin: (answer: Promise<string[]>) => void;
}

/** Asks the C library. A thread stays busy until the call returns, even if no caller waits. */
export class SystemLookups {
  readonly #ask: (host: string) => Promise<string[]>;
  readonly #running = new Map<string, Promise<string[]>>();
  readonly #busy = new Map<string, number>();
  #threads = 0;
  #queue: Waiting[] = [];

  constructor(ask: (host: string) => Promise<string[]>) {
    this.#ask = ask;
  }

  /** With `owner` undefined neither waits nor counts; throws a NameError or the signal's reason. */
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
    using _registration = onAbort(signal, (reason) => {
      this.#queue = this.#queue.filter((other) => other !== waiting);
      answer.reject(reason);
    });
    this.#queue.push(waiting);
    this.#next();
    return [...await answer.promise];
  }

  /**
   * Takes the owner that waits longest and has a free thread. Its newest name goes first: if
   * lookups are unanswered, the older ones time out soon anyway.
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

  /** Counts the busy threads of a key; an owner that is only an address has none. */
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
    answer.catch(() => {}); // the callers may be gone
    this.#running.set(host, answer);
    return answer;
  }
}
