import type { Clock } from "../../contract/host.ts";
import type { Connection } from "../../contract/connection.ts";

/**
 * TCP_USER_TIMEOUT between proxy client and server, in milliseconds: shorter than most programs'
 * time-outs (30 to 60 s), longer than a network change or a roaming radio takes.
 */
export const PATH_TIMEOUT_MS = 30_000;

/** Milliseconds; short enough to see a pause before Linux assumes a dead path. */
const LOOK_MS = 10_000;

/**
 * Prevents slow readers from being taken for dead: Linux counts TCP_USER_TIMEOUT even while the
 * peer acknowledges probes of a closed window (tcp_probe_timer), against RFC 9293 section 3.8.6.1.
 * While all sent data is acknowledged and more waits, a connection therefore has no time-out; a
 * path lost then is noticed by the other end's keepalive.
 */
export class PathWatch implements Disposable {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #lookMs: number;
  /** Watched streams; true = the time-out is switched off at present. */
  readonly #streams = new Map<Connection, boolean>();
  #timer: Disposable | null = null;

  constructor(clock: Clock, o: { timeoutMs?: number; lookMs?: number } = {}) {
    this.#clock = clock;
    this.#timeoutMs = o.timeoutMs ?? PATH_TIMEOUT_MS;
    this.#lookMs = o.lookMs ?? LOOK_MS;
  }

  /** The caller keeps the stream, whose time-out is already set, and calls `remove`. */
  add(stream: Connection): void {
    this.#streams.set(stream, false);
    this.#timer ??= this.#clock.after(this.#lookMs, this.#look);
  }

  remove(stream: Connection): void {
    this.#streams.delete(stream);
  }

  readonly #look = (): void => {
    this.#timer = null;
    for (const [stream, wasPaused] of this.#streams) {
      const isPaused = pausedByPeer(stream);
      if (isPaused === wasPaused) continue;
      this.#streams.set(stream, isPaused);
      try {
        stream.setOptions({ userTimeoutMs: isPaused ? 0 : this.#timeoutMs });
      } catch {
        this.#streams.delete(stream); // the stream has ended, which its owner learns by itself
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

/** Everything sent is acknowledged, and more waits for the peer's window. */
function pausedByPeer(stream: Connection): boolean {
  const { isDelivered, sending } = stream.stats();
  return isDelivered === false && sending?.inFlightBytes === 0;
}
