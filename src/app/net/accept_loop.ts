import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import type { Listener, Stream } from "../../contract/stream.ts";
import { sleep } from "../loop/sleep.ts";

/** After so many connections in a row everything else has a turn. */
const BUDGET = 32;

/** How long to wait for descriptors when none is left. */
const EXHAUSTED_PAUSE = 50;

/** How often to say so. */
const SAY_EVERY = 10_000;

export interface AcceptOptions {
  readonly listener: Listener;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Owns the stream from now on; must not throw. Returns as `OnReady`. */
  readonly take: (stream: Stream) => boolean | void;
  /** After so many connections in a row everything else has a turn; default 32. */
  readonly budget?: number;
  /** Closes something; false when there is nothing to close. */
  readonly evictIdle: () => boolean;
}

/**
 * Takes connections until the signal aborts. Out of descriptors it makes room and goes on.
 * @throws whatever else ends the listener
 */
export function acceptLoop(o: AcceptOptions): Promise<never> {
  return new Promise((_, reject) => new Accepting(o, reject).begin());
}

class Accepting {
  readonly #o: AcceptOptions;
  readonly #registration: Disposable;
  readonly #fail: (error: unknown) => void;
  #inARow = 0;
  #said = -Infinity;

  constructor(o: AcceptOptions, reject: (error: unknown) => void) {
    this.#o = o;
    this.#registration = onAbort(o.signal, reject);
    this.#fail = (error) => {
      this.#registration[Symbol.dispose]();
      reject(error);
    };
  }

  begin(): void {
    this.#go();
  }

  /** Takes what is there. True when all, and who took it, waits to be called back. */
  readonly #go = (): boolean => {
    const { clock, listener, signal, take } = this.#o;
    let isDone = true;
    try {
      for (;;) {
        if (this.#inARow++ >= (this.#o.budget ?? BUDGET)) {
          this.#inARow = 0;
          clock.onTurn(this.#go);
          return isDone;
        }
        const stream = listener.now === undefined
          ? listener.accept({ signal })
          : listener.now.accept({ signal });
        if (stream === null) break;
        if (stream instanceof Promise) {
          stream.then(this.#taken, this.#failed);
          return false;
        }
        if (take(stream) !== true) isDone = false;
      }
      this.#inARow = 0;
      listener.now!.onReady(this.#go);
      return isDone;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  };

  readonly #taken = (stream: Stream): void => {
    this.#inARow = 1;
    this.#o.take(stream);
    this.#go();
  };

  readonly #failed = (error: unknown): void => {
    if (!(error instanceof TtunError) || error.kind !== "exhausted") return this.#fail(error);
    const { clock, log, evictIdle: evictIdle, signal } = this.#o;
    if (clock.now() - this.#said > SAY_EVERY) {
      log.warn(error.message);
      this.#said = clock.now();
    }
    if (evictIdle()) clock.onTurn(this.#go);
    else sleep(clock, EXHAUSTED_PAUSE, signal).then(this.#go, this.#fail);
  };
}
