import type { Addr } from "../base/addr.ts";
import type { Connection } from "./connection.ts";
import type { OnReady, Stream } from "./stream.ts";

/** Opens streams to somewhere else; `To` is what names the other end. */
export interface Dialer<To = Addr, S extends Stream = Connection> {
  /** True when it heeds `DialOptions.segmentBytes`. */
  readonly limitsSegments?: boolean;
  /**
   * Opens a stream; fails with {TtunError} unreachable, timeout, … or the reason of a signal. Never
   * throws. Returns as `OnReady`.
   */
  start(to: To, o: DialOptions, events: DialEvents<S>): boolean | void;
}

/** How an attempt ends: one of them is called, once, and must not throw. They return as `OnReady`. */
export interface DialEvents<S extends Stream = Connection> {
  /** Gives the stream, which is the callee's from now on. */
  connected(stream: S): boolean | void;
  failed(error: unknown): boolean | void;
}

export interface DialOptions {
  /** Closes the stream when it aborts. */
  readonly signal: AbortSignal;
  /** Gives the attempt up; of no effect once the stream is there. */
  readonly cancel?: AbortSignal;
  /** How long the other end may take; absent = as long as the system itself waits. */
  readonly timeoutMs?: number;
  /** TCP_MAXSEG: the largest segment of either direction; absent = what the link carries. */
  readonly segmentBytes?: number | undefined;
}

/** Takes streams that others open. */
export interface Listener<S extends Stream = Connection> extends AsyncDisposable {
  /** Where it listens, with the port that the kernel chose when 0 was asked for. */
  readonly addr: Addr;
  /**
   * The next connection, which lives under `signal`; null = none is there.
   * @throws {TtunError} `exhausted` when out of descriptors: the connection is still queued, so
   * wait or free some and call again.
   */
  acceptNow(o: { signal: AbortSignal }): S | null;
  /**
   * Calls `run` once, when there may be a connection, or an error. Call it only after `acceptNow`
   * had none; `run` replaces an earlier one that still waits.
   */
  onAcceptable(run: OnReady): void;
  /**
   * From now on connections that come have segments of at most so many bytes, in either direction
   * (TCP_MAXSEG). False where that cannot be set.
   */
  limitSegments?(segmentBytes: number): boolean;
}
