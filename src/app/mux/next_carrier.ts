import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Scope } from "../../base/scope.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import type { Backoff } from "../../core/net/backoff.ts";
import { sleep } from "../loop/sleep.ts";
import type { Differently } from "../net/reach.ts";
import { endsSession } from "./current_session.ts";

/** Milliseconds between two carriers beside the one that there is. */
const LEAST_REST_MS = 1000;

/** Seconds of a server's notice that its port closes; more counts as so many. */
const MOST_MOVE = 120;

/** Milliseconds between two carriers that are made because the server does not answer. */
const MOVE_REST_MS = 5000;

/** Milliseconds between two looks at whether the server still answers. */
const LOOK_MS = 1000;

/** Milliseconds from a relayed carrier, or a try of a direct one, to the next try: twice as many each time. */
const FIRST_DIRECT_MS = 30_000;
const LAST_DIRECT_MS = 900_000;

export interface NextCarrierOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly rng: Rng;
  /** Its owner's, who makes the first carriers. */
  readonly backoff: Backoff;
  /** Makes one that runs as a task of `tasks`. */
  readonly join: (tasks: Scope, signal: AbortSignal, how: Differently) => Promise<void>;
}

/** A carrier whose server may not answer any more. */
export interface WatchedCarrier {
  /** No newer one is there. */
  isNewest(): boolean;
  isSuspect(): boolean;
}

/** At a client: makes another carrier of a session beside the one that there is. */
export class NextCarrier {
  readonly #o: NextCarrierOptions;
  #isMoving = false;
  /** When another carrier was last begun beside the one that there was. */
  #movedAt = -Infinity;

  constructor(o: NextCarrierOptions) {
    this.#o = o;
  }

  /** The server's port closes in so many seconds. */
  leave(tasks: Scope, seconds: number): void {
    this.#move(tasks, Math.min(seconds, MOST_MOVE) * 1000, true);
  }

  /** Has another carrier made when the server does not answer on this one, the newest. */
  async watch(tasks: Scope, carrier: WatchedCarrier, signal: AbortSignal): Promise<never> {
    const { clock } = this.#o;
    for (;;) {
      await sleep(clock, LOOK_MS, signal);
      const hasRested = clock.now() - this.#movedAt >= MOVE_REST_MS;
      if (!hasRested || !carrier.isNewest() || !carrier.isSuspect()) continue;
      this.#move(tasks, 0, false);
    }
  }

  /**
   * While a carrier that goes through a relay is the newest: tries now and then to have one that goes
   * directly, since what was in its way may have gone.
   */
  async seekDirect(
    tasks: Scope,
    { isNewest }: Pick<WatchedCarrier, "isNewest">,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, rng } = this.#o;
    for (let ms = FIRST_DIRECT_MS;; ms = Math.min(2 * ms, LAST_DIRECT_MS)) {
      await sleep(clock, ms * (1 - rng(1)[0]! / 1024), signal);
      if (!isNewest()) return;
      if (this.#isMoving) continue;
      this.#isMoving = true;
      // A task of the session: the carrier that it makes lives longer than this one.
      const { promise: over, resolve } = Promise.withResolvers<void>();
      tasks.spawn((signal) => this.#tryDirect(tasks, signal).finally(resolve));
      await over;
    }
  }

  async #tryDirect(tasks: Scope, signal: AbortSignal): Promise<void> {
    const { join, log } = this.#o;
    try {
      await join(tasks, signal, { isLeaving: false, isDirect: true });
      log.info("a direct connection takes the relay's place");
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toTtunError(thrown);
      if (endsSession(error)) throw error;
      log.debug("still no direct connection", { why: error.message });
    } finally {
      this.#isMoving = false;
    }
  }

  /**
   * Makes another carrier within so many milliseconds, at a random moment; on another port if
   * `isLeaving`.
   */
  #move(tasks: Scope, ms: number, isLeaving: boolean): void {
    if (this.#isMoving) return;
    this.#isMoving = true;
    tasks.spawn(async (signal) => {
      try {
        await this.#moveWithin(tasks, ms, isLeaving, signal);
      } finally {
        this.#isMoving = false;
      }
    });
  }

  async #moveWithin(
    tasks: Scope,
    ms: number,
    isLeaving: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { backoff, clock, join, log, rng } = this.#o;
    const rest = this.#movedAt + LEAST_REST_MS - clock.now(); // whatever the server asks for
    const wait = Math.max(rest, ms * rng(1)[0]! / 256);
    if (wait > 0) await sleep(clock, wait, signal);
    this.#movedAt = clock.now();
    for (;;) {
      try {
        await join(tasks, signal, { isLeaving });
        return backoff.restart();
      } catch (thrown) {
        signal.throwIfAborted();
        const error = toTtunError(thrown);
        if (endsSession(error)) throw error;
        log.debug("cannot connect beside the connection that there is", { why: error.message });
      }
      await sleep(clock, backoff.pause(rng(1)[0]! / 256), signal);
    }
  }
}
