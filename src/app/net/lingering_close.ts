import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { discard } from "./discard.ts";

/** Silence after which the other end counts as having read the last answer, in milliseconds. */
export const LINGER_MS = 2000;

/** The longest time that what it still sends is read and dropped. */
export const LONGEST_LINGER_MS = 30_000;

/** Calls back when an end that lingers has been silent for long enough, or has sent for too long. */
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

  /** Bytes came. */
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
 * After our FIN: reads and drops what the other end still sends, until its own FIN, or until it has
 * been silent for a while. Bytes that nobody reads would make the kernel send a reset, which could
 * overtake our last answer (RFC 9112 section 9.6). The stream stays the caller's to close.
 */
export async function linger(stream: Stream, clock: Clock): Promise<void> {
  using limit = new LingerLimit(clock, (isSilent) => {
    // Whoever is silent leaves nothing unread: what is still on its way to him arrives after a close.
    if (isSilent) void stream[Symbol.asyncDispose]();
    else stream.reset();
  });
  await discard(stream, clock, () => limit.heard()).catch(() => {}); // it is over either way
}
