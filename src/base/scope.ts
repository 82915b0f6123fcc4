/**
 * Structured tasks: nothing that a scope started outlives it, and the first failure ends all.
 */
export class Scope {
  readonly #controller = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  #failure: { error: unknown } | null = null;

  /** Aborts when the parent aborts, when a task fails, or by `cancel`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts a task under the scope's signal. A failure that is not the abort itself cancels all. */
  spawn(task: (signal: AbortSignal) => Promise<void> | void): void {
    const run = async () => {
      try {
        await task(this.signal);
      } catch (error) {
        this.fail(error);
      }
    };
    const running = run();
    this.#tasks.add(running);
    running.finally(() => this.#tasks.delete(running));
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
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
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

/** Calls `run` once when the signal aborts (at once if it has), until disposed of. */
export function onAbort(signal: AbortSignal, run: (reason: unknown) => void): Disposable {
  const listener = () => run(signal.reason);
  if (signal.aborted) listener();
  else signal.addEventListener("abort", listener, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", listener) };
}
