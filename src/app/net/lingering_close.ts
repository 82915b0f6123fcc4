import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { discard } from "./discard.ts";

/** Silence after which the peer is assumed to have read the last answer, in milliseconds. */
export const LINGER_MS = 2000;

/** Longest time for which the peer's further input is discarded, in milliseconds. */
export const LONGEST_LINGER_MS = 30_000;

/** Calls `over` when a lingering peer has been silent for LINGER_MS or has sent for too long. */
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

  /** Reports that bytes arrived. */
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
 * Lingering close after this end's FIN: discards the peer's input until its FIN or until it has
 * been silent for a while. Unread bytes would make the kernel send a reset, which could overtake
 * the last answer (RFC 9112 section 9.6). The caller still has to close the stream.
 */
export async function linger(stream: Stream, clock: Clock): Promise<void> {
  using limit = new LingerLimit(clock, (isSilent) => {
    // A silent peer leaves nothing unread, so a plain close still delivers what is in flight.
    if (isSilent) startClose(stream);
    else stream.reset();
  });
  await discard(stream, clock, () => limit.heard()).catch(() => {}); // ends either way
}
