import type { Addr } from "../base/addr.ts";
import type { Connection } from "./connection.ts";
import type { OnReady, Stream } from "./stream.ts";

/** Opens streams; `To` names the other end. */
export interface Dialer<To = Addr, S extends Stream = Connection> {
  /** True when it heeds `DialOptions.segmentBytes`. */
  readonly limitsSegments?: boolean;
  /** Opens a stream. Failures, TtunErrors or a signal's reason, are events; it never throws. */
  start(to: To, o: DialOptions, events: DialEvents<S>): boolean | void;
}

/** End of an attempt: one of them is called, once, and must not throw. They return as `OnReady`. */
export interface DialEvents<S extends Stream = Connection> {
  /** Gives the stream, which is the callee's from now on. */
  connected(stream: S): boolean | void;
  failed(error: unknown): boolean | void;
}

export interface DialOptions {
  readonly signal: AbortSignal;
  /** Gives the attempt up; of no effect once the stream is there. */
  readonly cancel?: AbortSignal;
  /** Time for the other end; absent = as long as the system itself waits. */
  readonly timeoutMs?: number;
  /** Largest segment of either direction (TCP_MAXSEG); absent = what the link carries. */
  readonly segmentBytes?: number | undefined;
}

export interface Listener<S extends Stream = Connection> extends AsyncDisposable {
  /** Address with the port that the kernel chose when 0 was asked for. */
  readonly addr: Addr;
  /** True if it gives one connection alone: when that has ended, so has its server's work. */
  readonly isSingle?: boolean;
  /**
   * Returns the next connection, which lives under `signal`; null = none. @throws {TtunError}
   * `exhausted` when out of descriptors: it is still queued, so wait or free some and call again.
   */
  acceptNow(o: { signal: AbortSignal }): S | null;
  /** Calls `run` once, only after `acceptNow` had none; it replaces an earlier one that waits. */
  onAcceptable(run: OnReady): void;
  /** Limits later connections' segments, both ways (TCP_MAXSEG); false where that cannot be set. */
  limitSegments?(segmentBytes: number): boolean;
}
