import type { Addr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { OnReady } from "../../contract/stream.ts";
import { Lifetime } from "../net/lifetime.ts";
import { listenerClosed } from "../net/net_errors.ts";
import { bindQuic } from "./bind_quic.ts";
import type { QuicEvent, QuicServerEnd } from "./messages.ts";
import type { QuicHost } from "./quic_host.ts";
import { quicConnection } from "./quic_connection.ts";

/** Connections that wait for `acceptNow`; further ones are ended. */
const MOST_WAITING = 256;

interface Accepted {
  readonly told: Extract<QuicEvent, { readonly kind: "accepted" }>;
  /** Has come before anybody took it: its end, and streams beside it. */
  readonly early: QuicEvent[];
}

export interface QuicListenerTools {
  readonly clock: Clock;
  readonly log: Logger;
  /** It lives under it. */
  readonly signal: AbortSignal;
}

/** Accepts a stream of each connection of QUIC. Borrows the host. */
export class QuicListener implements Listener {
  readonly addr: Addr;
  readonly #host: QuicHost;
  readonly #id: number;
  readonly #life: Lifetime;
  readonly #said: RateLimitedLog;
  readonly #waiting: Accepted[] = [];
  #waiter: OnReady | null = null;

  /** Listens; this thread waits until the port is bound. @throws {TtunError} in_use, usage, … */
  constructor(host: QuicHost, end: QuicServerEnd, { clock, log, signal }: QuicListenerTools) {
    signal.throwIfAborted();
    this.#host = host;
    this.#said = new RateLimitedLog(log, () => clock.now());
    const { id, addr } = bindQuic(host, end, this.#take);
    this.#id = id;
    this.addr = addr;
    this.#life = new Lifetime(signal, () => this.#close());
  }

  acceptNow({ signal }: { readonly signal: AbortSignal }): Connection | null {
    this.#life.check();
    signal.throwIfAborted();
    const accepted = this.#waiting.shift();
    if (accepted === undefined) return null;
    const { told, early } = accepted;
    return quicConnection(this.#host, told.id, told, signal, early);
  }

  onAcceptable(run: OnReady): void {
    this.#life.check();
    this.#waiter = run;
    if (this.#waiting.length > 0) this.#host.soon(() => this.#wake());
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.end(listenerClosed());
  }

  readonly #take = (event: QuicEvent): boolean => {
    switch (event.kind) {
      case "accepted":
        if (this.#waiting.length >= MOST_WAITING) {
          this.#host.send({ kind: "abort", id: event.id });
          return true;
        }
        return this.#keep(event);
      case "refused":
        this.#said.warn("QUIC handshake failed", { peer: event.peer, why: event.words });
        return true;
      case "lost":
        this.#life.end(new TtunError("internal", `QUIC's thread has failed: ${event.words}`));
        return false;
      default:
        return true;
    }
  };

  #keep(told: Accepted["told"]): boolean {
    const early: QuicEvent[] = [];
    this.#host.adopt(told.id, (event) => {
      early.push(event);
      return true;
    });
    this.#waiting.push({ told, early });
    return this.#wake();
  }

  #wake(): boolean {
    const run = this.#waiter;
    this.#waiter = null;
    return run === null || run() === true;
  }

  #close(): void {
    this.#host.send({ kind: "unlisten", id: this.#id });
    this.#host.forget(this.#id);
    for (const { told: { id } } of this.#waiting.splice(0)) {
      this.#host.forget(id);
      this.#host.send({ kind: "abort", id });
    }
    this.#host.soon(() => this.#wake());
  }
}
