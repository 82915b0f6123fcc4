import { formatAddr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";

/** How often it is looked whether those who are held back are still there. */
export const LOOK_MS = 5000;

/** A stream of which nothing is read, since there is no place for it. */
export interface Blocked {
  readonly from: Stream;
  /** It was reset meanwhile. */
  gone(error: TtunError): void;
}

/** The failure of a stream that is gone; null while it is not, or nobody can tell. */
export function lossOf(stream: Stream): TtunError | null {
  if (stream.info().isGone !== true) return null;
  const peer = formatAddr(stream.remote);
  return new TtunError("lost", `Lost the connection with ${peer}: it was reset`);
}

/**
 * Looks after streams that are held back: a read would tell of their reset, and there is none. One
 * timer serves all, while there are any.
 */
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

  /** Nobody is held back any more; it may be used again. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#blocked.clear();
  }
}
