import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { discard } from "./discard.ts";

/** Silence, in milliseconds, after which the peer is assumed to have read the last answer. */
export const LINGER_MS = 2000;

/** Longest time for which further input is discarded, in milliseconds. */
export const LONGEST_LINGER_MS = 30_000;

/** Calls `over` after LINGER_MS of silence or LONGEST_LINGER_MS in total. */
export class LingerLimit implements Disposable {
  readonly #clock: Clock;
  readonly #over: (isSilent: boolean) => void;
  readonly #began: number;
  #heard: number;
  #timer: Disposable;

  constructor(clock: Clock, over: (isSilent: boolean) => void) {
    this.#clock = clock;
    this.#over = over;
    this.#began = this.#heard = clock.now();
    this.#timer = clock.after(LINGER_MS, this.#look);
  }

  heard(): void {
    this.#heard = this.#clock.now();
  }

  readonly #look = (): void => {
    const now = this.#clock.now();
    const silence = this.#heard + LINGER_MS - now;
    const left = Math.min(silence, this.#began + LONGEST_LINGER_MS - now);
    if (left > 0) this.#timer = this.#clock.after(left, this.#look);
    else this.#over(silence <= 0);
  };

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }
}

/**
 * Discards input after this end's FIN, until the peer's FIN or silence: unread bytes would make the
 * kernel send a reset, which could overtake the last answer (RFC 9112 section 9.6). The caller
 * still has to close the stream.
 */
export async function linger(stream: Stream, clock: Clock): Promise<void> {
  using limit = new LingerLimit(clock, (isSilent) => {
    // A silent peer leaves nothing unread, so a plain close still delivers what is in flight.
    if (isSilent) startClose(stream);
    else stream.reset();
  });
  await discard(stream, clock, () => limit.heard()).catch(() => {}); // ends either way
}
