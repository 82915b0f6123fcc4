import type { Addr } from "../base/addr.ts";
import type { TtunError } from "../base/errors.ts";
import { noAnswer } from "../base/no_answer.ts";
import { onAbort } from "../base/scope.ts";

/** The end of a dial that has a time: its own, beside that of its signal. For Deno's own calls. */
export class Patience implements Disposable {
  readonly #own = new AbortController();
  readonly #tie: Disposable;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #late: TtunError | null = null;

  constructor(to: Addr, { signal, timeoutMs }: { signal: AbortSignal; timeoutMs?: number }) {
    this.#tie = onAbort(signal, (reason) => this.#own.abort(reason));
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(() => {
        this.#late = noAnswer(to, timeoutMs);
        this.#own.abort(this.#late);
      }, timeoutMs);
    }
  }

  get signal(): AbortSignal {
    return this.#own.signal;
  }

  /** @throws {TtunError} timeout, when that is why it has ended */
  check(): void {
    if (this.#late !== null) throw this.#late;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#tie[Symbol.dispose]();
  }
}
