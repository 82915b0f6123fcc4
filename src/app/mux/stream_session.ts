import type { TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { Offer } from "../../core/link/v2/setup.ts";
import type { Open } from "../../core/mux/frames.ts";
import { ACK_MS, Mux } from "../../core/mux/mux.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import type { WindowBudget } from "../../core/mux/receive_window.ts";
import type { Carrier } from "./carrier.ts";
import { FIRST_WINDOWS, MOST_STREAM, MOST_TOTAL, peerWindows } from "./limits.ts";

export interface StreamSessionOptions {
  readonly role: "client" | "server";
  /** The peer's offer at the session's beginning. */
  readonly peer: Offer;
  readonly clock: Clock;
  readonly budget: WindowBudget;
  /** The peer has opened a stream, which is to be answered. */
  readonly onOpened: (stream: MuxStream, open: Open) => void;
  /** The server's port closes in so many seconds. */
  readonly onMove?: (seconds: number) => void;
}

/** A session's streams with the carriers that they have at the moment. */
export class StreamSession {
  readonly mux: Mux;
  readonly #clock: Clock;
  readonly #carriers: Carrier[] = [];
  #ackTimer: Disposable | null = null;

  constructor({ role, peer, clock, budget, onOpened, onMove = () => {} }: StreamSessionOptions) {
    this.#clock = clock;
    this.mux = new Mux({
      role,
      local: FIRST_WINDOWS,
      peer: peerWindows(peer),
      mostStream: MOST_STREAM,
      mostTotal: MOST_TOTAL,
      budget,
      now: () => clock.now(),
      rtt: () => this.#carriers.at(-1)?.channel.rttMs ?? NaN,
      events: {
        opened: onOpened,
        move: onMove,
        wake: (isLater) => isLater ? this.#acknowledgeLater() : this.#carriers.at(-1)?.wake(),
      },
    });
  }

  /** The carriers that live, the oldest first. */
  get carriers(): readonly Carrier[] {
    return this.#carriers;
  }

  /** Runs a carrier to its end, as `Carrier.run` does. */
  async run(carrier: Carrier, signal: AbortSignal): Promise<void> {
    this.#carriers.push(carrier);
    try {
      await carrier.run(signal);
    } finally {
      this.#carriers.splice(this.#carriers.indexOf(carrier), 1);
      this.#carriers.at(-1)?.wake();
    }
  }

  /** Ends the carriers that are older than this one. */
  endOlder(carrier: Carrier): void {
    for (const one of this.#carriers) if (one.number < carrier.number) one.end();
  }

  #acknowledgeLater(): void {
    this.#ackTimer ??= this.#clock.after(ACK_MS, () => {
      this.#ackTimer = null;
      this.mux.ackIsDue();
    });
  }

  /** Ends all streams with `error`. */
  end(error: TtunError): void {
    this.#ackTimer?.[Symbol.dispose]();
    this.#ackTimer = null;
    this.mux.end(error);
  }
}
