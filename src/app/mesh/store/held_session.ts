import type { Clock } from "../../../contract/host.ts";
import { type Call, MeshError, type Session } from "../../../contract/mesh_store.ts";
import { onAbort } from "../../../base/scope.ts";

/** Share of a session's time that its holder does without: clocks run at different rates. */
const CLOCK_RATE = 0.02;

/** How the store behind a session renews and ends it. */
export interface SessionCalls {
  /** @throws {MeshError} `closed` if it has ended */
  renew(id: string, o: Call): Promise<void>;
  end(id: string, o: Call): Promise<void>;
}

/** A session in its holder's eyes: it ends by itself unless the store has said otherwise. */
export class HeldSession implements Session {
  readonly id: string;
  readonly ttlMs: number;
  readonly #calls: SessionCalls;
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  #timer: Disposable;
  readonly #closed: Disposable;

  /** `since`: the clock before the session was asked for. `closed` ends with the store. */
  constructor(
    id: string,
    ttlMs: number,
    o: { calls: SessionCalls; clock: Clock; since: number; closed: AbortSignal },
  ) {
    this.id = id;
    this.ttlMs = ttlMs;
    this.#calls = o.calls;
    this.#clock = o.clock;
    this.#timer = this.#alarm(o.since);
    this.#closed = onAbort(o.closed, () => this.#end());
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  async renew(o: Call): Promise<void> {
    if (this.ended.aborted) throw new MeshError("closed", "The session has ended");
    const since = this.#clock.now();
    try {
      await this.#calls.renew(this.id, o);
    } catch (error) {
      if (error instanceof MeshError && error.reason === "closed") this.#end();
      throw error;
    }
    if (this.ended.aborted) throw new MeshError("closed", "The session has ended meanwhile");
    this.#timer[Symbol.dispose]();
    this.#timer = this.#alarm(since);
  }

  /** Its keys vanish; from this call on its holder has nothing any more, also where it fails. */
  async end(o: Call): Promise<void> {
    this.#end();
    await this.#calls.end(this.id, o);
  }

  /** Gives up the session here; the store ends it when its time is over. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    return Promise.resolve();
  }

  #alarm(since: number): Disposable {
    const until = since + this.ttlMs * (1 - CLOCK_RATE);
    return this.#clock.after(Math.max(0, until - this.#clock.now()), () => this.#end());
  }

  #end(): void {
    this.#timer[Symbol.dispose]();
    this.#closed?.[Symbol.dispose]();
    this.#ended.abort(new MeshError("closed", "The session has ended"));
  }
}

/**
 * Renews a session each third of its time until it or `signal` ends. Failures on the way are not
 * fatal: it is tried again until the session's time is over.
 */
export function keepSession(session: Session, clock: Clock, signal: AbortSignal): void {
  const both = AbortSignal.any([signal, session.ended]);
  const next = (ms: number) => {
    if (both.aborted) return;
    const timer = clock.after(ms, () => {
      registration[Symbol.dispose]();
      session.renew({ signal: both }).then(
        () => next(session.ttlMs / 3),
        () => next(session.ttlMs / 12), // `ended` says when it is too late
      );
    });
    const registration = onAbort(both, () => timer[Symbol.dispose]());
  };
  next(session.ttlMs / 3);
}
