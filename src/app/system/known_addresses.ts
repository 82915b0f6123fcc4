import { formatAddr, type HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import { raceCandidates } from "../punch/candidate_race.ts";
import type { ProvedRace } from "../punch/proved_race.ts";

/** Milliseconds that the server has to answer before the addresses are tried without it. */
export const PATIENCE_MS = 3000;

export interface KnownAddressesOptions<T> {
  /** Empty = none is known. */
  readonly known: readonly HostPort[];
  /** Connects from the port that the other end connects to. */
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Name of the server where both ends meet. */
  readonly via: string;
  /** Takes the connections. */
  readonly race: ProvedRace<T>;
  /** Connections live under it. */
  readonly life: AbortSignal;
  /** Ends all tries. */
  readonly signal: AbortSignal;
}

/** Tries that are under way. */
interface Trying {
  readonly over: Promise<void>;
  readonly stop: AbortController;
}

/**
 * Connects to addresses of the other end that are known without the server where both meet, as long
 * as that does not answer.
 */
export class KnownAddresses<T> implements Disposable {
  readonly #o: KnownAddressesOptions<T>;
  readonly #timer: Disposable;
  #trying: Trying | null = null;

  constructor(o: KnownAddressesOptions<T>) {
    this.#o = o;
    // Its failures are the connections' own, which the race knows.
    this.#timer = o.clock.after(PATIENCE_MS, () => void this.#try("it has not answered so far"));
  }

  /** The server answers: what is under way is given up, as both ends are to begin at once. */
  rest(): void {
    this.#timer[Symbol.dispose]();
    this.#trying?.stop.abort(new TtunError("lost", "Gave up: the server answers"));
    this.#trying = null;
  }

  /**
   * The server cannot be reached. Returns when a connection has proved the key.
   * @throws `error`, with words about the tries, when none has
   */
  async reachWithout(error: TtunError): Promise<void> {
    const { known, race } = this.#o;
    this.#timer[Symbol.dispose]();
    if (known.length === 0) throw error;
    await this.#try(error.message);
    if (race.isRunning && !race.hasWinner) await race.idle;
    if (race.hasWinner) return;
    if (race.failure !== null) throw race.failure;
    const words = `${error.message}; and nothing answers at the addresses of the ticket (${
      known.map(formatAddr).join(", ")
    })`;
    throw new TtunError(error.kind, words, { cause: error });
  }

  /** Resolves when there are no more tries. */
  #try(why: string): Promise<void> {
    const { known, dialer, clock, rng, log, via, race, life, signal } = this.#o;
    if (known.length === 0 || signal.aborted) return Promise.resolve();
    if (this.#trying !== null) return this.#trying.over;
    const words = "the server where both ends meet is not there: trying the ticket's addresses";
    log.warn(words, { via, why });
    const stop = new AbortController();
    const end = onAbort(signal, (reason) => stop.abort(reason));
    const over = raceCandidates({
      ...{ candidates: known, dialer, clock, rng, signal: life, cancel: stop.signal },
      startAt: clock.now(),
      take: (stream) => race.take(stream),
    }).then(() => end[Symbol.dispose]());
    this.#trying = { over, stop };
    return over;
  }

  [Symbol.dispose](): void {
    this.rest();
  }
}
