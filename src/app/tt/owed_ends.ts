import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";

/** Milliseconds for which an end frame waits for the next stream of its connection. */
const WAIT_MS = 5;

export interface OwesEnd {
  /** Sends the end frame, unless it went with another frame meanwhile. */
  sendOwedEnd(): void;
}

/**
 * End frames of streams whose other way has ended: most often the connection gets another stream
 * at once, and its first frame is sent behind the end in one go.
 */
export class OwedEnds implements Disposable {
  readonly #clock: Clock;
  readonly #registration: Disposable;
  #owing: OwesEnd[] = [];
  #timer: Disposable | null = null;

  /**
   * `signal`: the connections live under it. Make this before the first of them, so that its abort
   * sends the ends before it closes them.
   */
  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#registration = onAbort(signal, () => this.#sendAll());
  }

  add(one: OwesEnd): void {
    this.#owing.push(one);
    this.#timer ??= this.#clock.after(WAIT_MS, this.#late);
  }

  readonly #late = (): void => {
    this.#timer = null;
    this.#sendAll();
  };

  #sendAll(): void {
    for (const one of this.#owing) one.sendOwedEnd();
    this.#owing = [];
  }

  [Symbol.dispose](): void {
    this.#registration[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#sendAll();
  }
}
