import { TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";

export const LOOK_MS = 5000;

/** A stream that is not read for now because of backpressure. */
export interface Blocked {
  readonly from: Stream;
  gone(error: TtunError): void;
}

/** Null: the stream is not gone, or the transport cannot tell. */
export function lossOf(stream: Stream): TtunError | null {
  if (stream.stats?.().isGone !== true) return null;
  return new TtunError("lost", `Lost the connection with ${stream.peer}: it was reset`);
}

/** Detects resets that a read would report, by one timer that runs only while needed. */
export class BlockedStreams implements Disposable {
  readonly #clock: Clock;
  readonly #blocked = new Set<Blocked>();
  #timer: Disposable | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(one: Blocked): void {
    this.#blocked.add(one);
    this.#timer ??= this.#clock.after(LOOK_MS, this.#look);
  }

  delete(one: Blocked): void {
    this.#blocked.delete(one);
  }

  readonly #look = (): void => {
    this.#timer = null;
    for (const one of [...this.#blocked]) {
      const error = lossOf(one.from);
      if (error === null) continue;
      this.#blocked.delete(one);
      one.gone(error);
    }
    if (this.#blocked.size > 0) this.#timer ??= this.#clock.after(LOOK_MS, this.#look);
  };

  /** The object can be used again. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#blocked.clear();
  }
}
