import type { Logger } from "../../base/log.ts";
import type { Clock, Resolver, Rng } from "../../contract/host.ts";
import type { Dialer } from "../../contract/dial.ts";

/** The clock, network, log and lifetime that either end of a proxy runs with. */
export interface ProxyHost {
  readonly dialer: Dialer;
  readonly resolver: Resolver;
  readonly clock: Clock;
  /** Unix milliseconds: the keys and ports follow it. */
  readonly wallClock: () => number;
  readonly rng: Rng;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Is given once what is counted, to be asked whenever somebody wants to know. */
  readonly onCounters?: (counters: () => ProxyCounters) => void;
}

export interface ProxyCounters {
  /** Now. */
  readonly connections: number;
  /** Since the start, those of now among them. */
  readonly served: number;
  /** Now: those that have not shown the password or not said what they want, and idle connections. */
  readonly pending: number;
}
