import { allocSmall } from "../../base/small_alloc.ts";
import type { Clock } from "../../contract/host.ts";
import type { MaybePromise, Stream } from "../../contract/stream.ts";
import { write } from "../loop/stream_io.ts";

/** A SOCKS client that sends greeting and request together gets both answers in one write. */
export class ReplyBuffer {
  readonly #client: Stream;
  #held: Uint8Array | null = null;
  #writing: Promise<void> | null = null;

  constructor(client: Stream) {
    this.#client = client;
  }

  /** Takes ownership; held until `flush`. */
  hold(bytes: Uint8Array): void {
    this.#held = this.#held === null ? bytes : joined(this.#held, bytes);
  }

  flush(): MaybePromise<void> {
    const held = this.#held;
    if (held === null) return this.#writing ?? undefined;
    this.#held = null;
    if (this.#writing !== null) {
      return this.#wait(this.#writing.then(() => write(this.#client, held)));
    }
    const writing = write(this.#client, held);
    if (writing instanceof Promise) return this.#wait(writing);
  }

  #wait(writing: Promise<void>): Promise<void> {
    const waiting = writing.then(() => {
      if (this.#writing === waiting) this.#writing = null;
    });
    this.#writing = waiting;
    waiting.catch(() => {}); // the next write fails as well
    return waiting;
  }

  /** Calls `flush` later, unless disposed of before; null: nothing is held. */
  flushAfter(clock: Clock, ms: number): Disposable | null {
    if (this.#held === null) return null;
    return clock.after(ms, () => {
      try {
        void this.flush(); // `#wait` handles a rejection, and the next write fails as well
      } catch {
        // The client has gone, which the next write reports.
      }
    });
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = allocSmall(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
