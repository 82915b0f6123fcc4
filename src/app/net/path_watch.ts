import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";

/**
 * TCP_USER_TIMEOUT of a carrier. Shorter than what programs wait for by themselves (most give up after
 * 30 to 60 s), and longer than a change of the network or a roaming radio takes.
 */
export const PATH_TIMEOUT_MS = 30_000;

/** Often enough that a pause is seen before Linux takes it for a dead path. */
const LOOK_MS = 10_000;

/**
 * Keeps peers that only read slowly from being taken for dead. Linux counts TCP_USER_TIMEOUT also while
 * the peer acknowledges every probe of a window that it has closed (tcp_probe_timer; RFC 9293 section
 * 3.8.6.1 has such a connection stay open): a download that is paused would be cut off. While all that
 * was sent is acknowledged and more waits, the connection has no time-out; without it a path that is
 * lost then is noticed by the other end's keepalive.
 */
export class PathWatch implements Disposable {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #lookMs: number;
  /** Watched streams; true = the time-out is off for now. */
  readonly #streams = new Map<Stream, boolean>();
  #timer: Disposable | null = null;

  constructor(clock: Clock, o: { timeoutMs?: number; lookMs?: number } = {}) {
    this.#clock = clock;
    this.#timeoutMs = o.timeoutMs ?? PATH_TIMEOUT_MS;
    this.#lookMs = o.lookMs ?? LOOK_MS;
  }

  /** Until `remove`; the stream stays its owner's, and has been tuned. */
  add(stream: Stream): void {
    this.#streams.set(stream, false);
    this.#timer ??= this.#clock.after(this.#lookMs, this.#look);
  }

  remove(stream: Stream): void {
    this.#streams.delete(stream);
  }

  readonly #look = (): void => {
    this.#timer = null;
    for (const [stream, wasPaused] of this.#streams) {
      const isPaused = pausedByPeer(stream);
      if (isPaused === wasPaused) continue;
      this.#streams.set(stream, isPaused);
      try {
        stream.tune({ userTimeoutMs: isPaused ? 0 : this.#timeoutMs });
      } catch {
        this.#streams.delete(stream); // it has ended: its owner hears of that by itself
      }
    }
    if (this.#streams.size > 0) this.#timer = this.#clock.after(this.#lookMs, this.#look);
  };

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#streams.clear();
  }
}

/** The peer has all that was sent, and more would be sent if it let us. */
function pausedByPeer(stream: Stream): boolean {
  const { isDelivered, sending } = stream.info();
  return isDelivered === false && sending?.inFlightBytes === 0;
}
