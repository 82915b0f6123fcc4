import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { sleep } from "../loop/sleep.ts";

/** Connections in a row after which other tasks get a turn. */
const BUDGET = 32;

/** Pause when no descriptor is left and none can be freed, in milliseconds. */
const EXHAUSTED_PAUSE = 50;

const SAY_EVERY = 10_000;

export interface AcceptOptions {
  readonly listener: Listener;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Takes ownership of the stream; must not throw. Returns true as OnReady does. */
  readonly take: (stream: Connection) => boolean | void;
  /** Connections in a row before other tasks get a turn; default: BUDGET. */
  readonly budget?: number;
  /** Closes an idle connection to free a descriptor; returns false if there is none. */
  readonly evictIdle: () => boolean;
}

/** Runs until it throws: the signal's reason or any other error of the listener. */
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
        const stream = listener.acceptNow({ signal });
        if (stream === null) break;
        if (take(stream) !== true) isDone = false;
      }
      this.#inARow = 0;
      listener.onAcceptable(this.#go);
      return isDone;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  };

  readonly #failed = (error: unknown): void => {
    if (!(error instanceof TtunError) || error.kind !== "exhausted") return this.#fail(error);
    const { clock, log, evictIdle, signal } = this.#o;
    if (clock.now() - this.#said > SAY_EVERY) {
      log.warn(error.message);
      this.#said = clock.now();
    }
    if (evictIdle()) clock.onTurn(this.#go);
    else sleep(clock, EXHAUSTED_PAUSE, signal).then(this.#go, this.#fail);
  };
}
