import type { RelayCount } from "./relay.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock, Resolver, Rng } from "../../contract/host.ts";
import type { Dialer } from "../../contract/dial.ts";

export interface ProxyHost {
  readonly dialer: Dialer;
  readonly resolver: Resolver;
  readonly clock: Clock;
  /** Unix milliseconds; keys and ports follow it. */
  readonly wallClock: () => number;
  readonly rng: Rng;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Called once; `counters` may be called at any time. */
  readonly onCounters?: (counters: () => ProxyCounters) => void;
  /** Called once, before `onCounters`, with the bytes of all connections, a count that goes on. */
  readonly onTraffic?: (total: Readonly<RelayCount>) => void;
}

export interface ProxyCounters {
  readonly connections: number;
  /** Since the start, those of now among them. */
  readonly served: number;
  /** Without a password or a request so far, and idle connections. */
  readonly pending: number;
}
