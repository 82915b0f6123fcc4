import type { Addr } from "../../base/addr.ts";
import type { TtunError } from "../../base/errors.ts";
import { noAnswer } from "../../base/dial_timeout.ts";
import { onAbort } from "../../base/scope.ts";
import type { DialOptions } from "../../contract/dial.ts";

/** Combines the signals and the time-out of a dial into one signal, for Deno's calls. */
export class DialDeadline implements Disposable {
  readonly #own = new AbortController();
  readonly #registrations: Disposable[];
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #late: TtunError | null = null;

  constructor(to: Addr, { signal, cancel = signal, timeoutMs }: DialOptions) {
    const end = (reason: unknown) => this.#own.abort(reason);
    this.#registrations = [onAbort(signal, end), onAbort(cancel, end)];
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

  /** @throws {TtunError} `timeout` if the time-out has ended the dial */
  check(): void {
    if (this.#late !== null) throw this.#late;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const registration of this.#registrations) registration[Symbol.dispose]();
  }
}
