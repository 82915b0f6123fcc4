import type { Addr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { OnReady } from "../../contract/stream.ts";

/** Connections that nobody has accepted yet. */
const MOST_PENDING = 128;

/** Accepts the connections of visitors that gateways pass to an agent. */
export class VisitorListener implements Listener {
  readonly addr: Addr = { path: "" };
  readonly #clock: Clock;
  readonly #registration: Disposable;
  readonly #pending: Connection[] = [];
  #waiter: OnReady | null = null;
  #closed: { readonly reason: unknown } | null = null;

  /** It listens until the signal aborts. @throws the signal's reason */
  constructor(clock: Clock, signal: AbortSignal) {
    signal.throwIfAborted();
    this.#clock = clock;
    this.#registration = onAbort(signal, (reason) => this.#close(reason));
  }

  /** Owns the connection. */
  readonly take = (visitor: Connection): void => {
    if (this.#closed !== null || this.#pending.length >= MOST_PENDING) return visitor.reset();
    this.#pending.push(visitor);
    this.#tell();
  };

  acceptNow({ signal }: { signal: AbortSignal }): Connection | null {
    if (this.#closed !== null) throw this.#closed.reason;
    signal.throwIfAborted();
    return this.#pending.shift() ?? null;
  }

  onAcceptable(run: OnReady): void {
    if (this.#closed !== null) throw this.#closed.reason;
    this.#waiter = run;
  }

  /** Visitors never come again: whoever accepts gets the error. */
  fail(error: unknown): void {
    this.#close(error);
  }

  #tell(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    if (waiter !== null) this.#clock.onTurn(waiter);
  }

  #close(reason: unknown): void {
    if (this.#closed !== null) return;
    this.#closed = { reason };
    this.#registration[Symbol.dispose]();
    for (const visitor of this.#pending.splice(0)) visitor.reset();
    this.#tell();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#close(new TtunError("lost", "Cannot accept: the listener was closed"));
    return Promise.resolve();
  }
}
