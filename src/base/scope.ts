/** Structured tasks: nothing that a scope started outlives it, and the first failure ends all. */
export class Scope {
  readonly #controller = new AbortController();
  #running = 0;
  #onIdle: (() => void) | null = null;
  /** Keeps the shared listener between tasks that come one after the other. */
  readonly #hold = holdListener(this.#controller.signal);
  #failure: { error: unknown } | null = null;

  /** Aborts when the parent aborts, when a task fails, or by `cancel`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts a task under the scope's signal. A failure that is not the abort itself cancels all. */
  spawn(task: (signal: AbortSignal) => Promise<void> | void): void {
    void this.#run(task); // never rejects: `join` throws the failure
  }

  async #run(task: (signal: AbortSignal) => Promise<void> | void): Promise<void> {
    this.enter();
    try {
      await task(this.signal);
    } catch (error) {
      this.fail(error);
    }
    this.leave();
  }

  /** A task that goes on by callbacks: the scope waits until `leave` has been called as often. */
  enter(): void {
    this.#running++;
  }

  readonly leave = (): void => {
    if (--this.#running === 0) this.#onIdle?.();
  };

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
    this.#hold[Symbol.dispose]();
    if (this.#failure !== null) throw this.#failure.error;
  }
}

/** Runs `body` and all that it spawns. Throws the first failure, or the parent's reason. */
export async function scope<T>(
  parent: AbortSignal,
  body: (s: Scope) => Promise<T> | T,
): Promise<T> {
  parent.throwIfAborted();
  const s = new Scope();
  using _registration = onAbort(parent, (reason) => s.cancel(reason));
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

/**
 * Calls `run` once when the signal aborts (at once if it has), until disposed of. Thousands may
 * wait: they share a listener, since a signal searches all of its own at each change.
 */
export function onAbort(signal: AbortSignal, run: (reason: unknown) => void): Disposable {
  if (signal.aborted) {
    run(signal.reason);
    return { [Symbol.dispose]: () => {} };
  }
  let waiting = waitingFor.get(signal);
  if (waiting === undefined) waitingFor.set(signal, waiting = new Waiting(signal));
  return waiting.add(run);
}

/** Keeps the listener that all registrations with a signal share, also while there is none. */
export function holdListener(signal: AbortSignal): Disposable {
  return onAbort(signal, () => {});
}

/** `promise`, or the signal's reason when that comes first. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  using _registration = onAbort(signal, reject);
  return await Promise.race([promise, aborted]);
}

const waitingFor = new WeakMap<AbortSignal, Waiting>();

class Waiting {
  readonly #signal: AbortSignal;
  /** A list: a Set that thousands come to and leave keeps them alive until a full collection. */
  #first: Registration | null = null;
  #last: Registration | null = null;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", this.#tell);
  }

  add(run: (reason: unknown) => void): Registration {
    const registration = new Registration(this, run, this.#last);
    if (this.#last === null) this.#first = registration;
    else this.#last.next = registration;
    this.#last = registration;
    return registration;
  }

  remove(registration: Registration): void {
    this.#take(registration);
    if (this.#first === null) this.#end();
  }

  #take(registration: Registration): void {
    const { previous, next } = registration;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    registration.previous = registration.next = null;
    registration.isIn = false;
  }

  readonly #tell = (): void => {
    this.#end();
    for (let one = this.#first; one !== null; one = this.#first) { // who goes meanwhile is not called any more
      this.#take(one);
      one.run(this.#signal.reason);
    }
  };

  #end(): void {
    this.#signal.removeEventListener("abort", this.#tell);
    if (waitingFor.get(this.#signal) === this) waitingFor.delete(this.#signal);
  }
}

class Registration implements Disposable {
  readonly #waiting: Waiting;
  readonly run: (reason: unknown) => void;
  previous: Registration | null;
  next: Registration | null = null;
  isIn = true;

  constructor(waiting: Waiting, run: (reason: unknown) => void, previous: Registration | null) {
    this.#waiting = waiting;
    this.run = run;
    this.previous = previous;
  }

  [Symbol.dispose](): void {
    if (this.isIn) this.#waiting.remove(this);
  }
}
