import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import { ATTEMPT_DELAY } from "../../core/net/happy_eyeballs.ts";

/** Milliseconds of silence behind a connect to the proven address until others are tried beside it. */
const HEAD_START_MS = 2_000;

/** Milliseconds between two tries of the proven address while the others are tried. */
const AGAIN_MS = 1_000;

export interface Try {
  /** Also aborts when another try has met the key. */
  readonly signal: AbortSignal;
  /** There is a connection. */
  connected(): void;
  /** The far end has proved the key. False: another one has before, so this try is given up. */
  proved(): boolean;
}

export interface ProvenFirstOptions<T> {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Tries the address where the server was last. */
  readonly proven: (one: Try) => Promise<T>;
  /** Tries the other addresses of its name. */
  readonly others: (one: Try) => Promise<T>;
}

/**
 * Tries the address where the server was last; when that fails, does not connect within a quarter of
 * a second (RFC 8305) or is silent then, the other addresses of its name as well. These may be forged,
 * and the server may have moved: who has the key decides. While the others are tried, the proven one
 * is tried again and again, as the server may be back.
 * @throws {TtunError} of the try that has met the key, else of the others, but for kind `name`: then
 * of the proven one; the signal's reason
 */
export async function provenFirst<T>(o: ProvenFirstOptions<T>): Promise<T> {
  const { clock, signal } = o;
  signal.throwIfAborted();
  const race = new Race(signal);
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  using headStart = new Alarm(clock, begin);
  headStart.set(ATTEMPT_DELAY);
  let areOver = false;
  const others = begun.then(() => race.run(o.others, () => {})).finally(() => areOver = true);
  const again = async () => {
    for (;;) {
      try {
        return await race.run(o.proven, () => headStart.set(HEAD_START_MS));
      } catch (error) {
        begin();
        const { promise: rested, resolve: goOn } = Promise.withResolvers<void>();
        using _rest = clock.after(AGAIN_MS, goOn);
        await Promise.race([Promise.allSettled([others]), rested]);
        if (areOver || race.isDecided) throw error;
      }
    }
  };
  const ended = await Promise.allSettled([again().finally(begin), others]);
  signal.throwIfAborted();
  for (const one of ended) if (one.status === "fulfilled") return one.value;
  const [proven, other] = ended.map((one) => one.status === "rejected" ? one.reason : null);
  if (race.failure !== null) throw race.failure.error;
  throw other instanceof TtunError && other.kind === "name" ? proven : other;
}

/** A timer that can be set anew. */
class Alarm implements Disposable {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #timer: Disposable | null = null;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  set(ms: number): void {
    this[Symbol.dispose]();
    this.#timer = this.#clock.after(ms, this.#ring);
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }
}

/** Tries of which the first that meets the key ends all others. */
class Race {
  readonly #signal: AbortSignal;
  readonly #running = new Set<AbortController>();
  #winner: AbortController | null = null;
  /** Of the winner: it has met the key, and its session cannot begin all the same. */
  failure: { readonly error: unknown } | null = null;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  get isDecided(): boolean {
    return this.#winner !== null;
  }

  async run<T>(run: (one: Try) => Promise<T>, connected: () => void): Promise<T> {
    this.#signal.throwIfAborted();
    if (this.#winner !== null) throw answeredFirst();
    const own = new AbortController();
    using _registration = onAbort(this.#signal, (reason) => own.abort(reason));
    this.#running.add(own);
    try {
      return await run({ signal: own.signal, connected, proved: () => this.#proved(own) });
    } catch (error) {
      if (this.#winner === own) this.failure = { error };
      throw error;
    } finally {
      this.#running.delete(own);
    }
  }

  #proved(own: AbortController): boolean {
    if (this.#winner !== null) return this.#winner === own;
    this.#winner = own;
    for (const other of this.#running) if (other !== own) other.abort(answeredFirst());
    return true;
  }
}

function answeredFirst(): TtunError {
  return new TtunError("lost", "Gave up: another address has proved the key first");
}
