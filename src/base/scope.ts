/**
 * Structured tasks: nothing that a scope started outlives it, and the first failure ends all.
 */
export class Scope {
  readonly #controller = new AbortController();
  /** How many tasks have not ended, and who waits until there is none. */
  #running = 0;
  #onIdle: (() => void) | null = null;
  #failure: { error: unknown } | null = null;

  /** Aborts when the parent aborts, when a task fails, or by `cancel`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts a task under the scope's signal. A failure that is not the abort itself cancels all. */
  spawn(task: (signal: AbortSignal) => Promise<void> | void): void {
    void this.#run(task);
  }

  async #run(task: (signal: AbortSignal) => Promise<void> | void): Promise<void> {
    this.#running++;
    try {
      await task(this.signal);
    } catch (error) {
      this.fail(error);
    }
    if (--this.#running === 0) this.#onIdle?.();
  }

  /** Ends all tasks without that being a failure. */
  cancel(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  /** Ends all tasks because of `error`; the first one is what `scope` throws. */
  fail(error: unknown): void {
    if (this.signal.aborted) return; // what a cancelled task throws is the cancellation's echo
    this.#failure = { error };
    this.#controller.abort(error);
  }

  async join(): Promise<void> {
    while (this.#running > 0) await new Promise<void>((resolve) => void (this.#onIdle = resolve));
    if (this.#failure !== null) throw this.#failure.error;
  }
}

/**
 * Runs `body`, then waits for everything that it spawned. Throws the first failure of any of
 * them, or the parent's reason when that aborted first.
 */
export async function scope<T>(
  parent: AbortSignal,
  body: (s: Scope) => Promise<T> | T,
): Promise<T> {
  parent.throwIfAborted();
  const s = new Scope();
  using _tie = onAbort(parent, (reason) => s.cancel(reason));
  let result: T | undefined;
  try {
    result = await body(s);
  } catch (error) {
    s.fail(error);
  }
  await s.join();
  parent.throwIfAborted();
  return result as T;
}

/** Who waits for a signal's abort, and the one listener that they share. */
interface Waiting {
  readonly entries: Set<() => void>;
  readonly listener: () => void;
}

const waitingFor = new WeakMap<AbortSignal, Waiting>();

/**
 * Calls `run` once when the signal aborts (at once if it has), until disposed of. Thousands may
 * wait for one signal: they share a listener, since a signal looks through all of its own each
 * time that one comes or goes.
 */
export function onAbort(signal: AbortSignal, run: (reason: unknown) => void): Disposable {
  const entry = () => run(signal.reason);
  if (signal.aborted) {
    entry();
    return { [Symbol.dispose]: () => {} };
  }
  const waiting = waitingFor.get(signal) ?? listen(signal);
  waiting.entries.add(entry);
  return {
    [Symbol.dispose]: () => {
      if (!waiting.entries.delete(entry) || waiting.entries.size > 0) return;
      signal.removeEventListener("abort", waiting.listener);
      waitingFor.delete(signal);
    },
  };
}

function listen(signal: AbortSignal): Waiting {
  const entries = new Set<() => void>();
  const listener = () => {
    signal.removeEventListener("abort", listener);
    waitingFor.delete(signal);
    for (const entry of entries) { // whoever goes meanwhile is not called any more
      entries.delete(entry);
      entry();
    }
  };
  const waiting = { entries, listener };
  waitingFor.set(signal, waiting);
  signal.addEventListener("abort", listener);
  return waiting;
}
