import type { Addr } from "../base/addr.ts";
import type { ConnectionStats } from "./stats.ts";

export type MaybePromise<T> = T | Promise<T>;

/**
 * Called back when there may be something. It returns true if all was handled and nothing left to a
 * promise, so the caller need not yield.
 */
export type OnReady = () => boolean | void;

/**
 * A byte stream with half-close, by callbacks (promise forms: `app/loop/stream_io.ts`). One reader
 * and one writer at a time. After dispose or the opener's abort waiting callbacks are run, and
 * later calls throw the reason.
 */
export interface Stream extends AsyncDisposable {
  /** Name of the other end for logs: an address, where there is one. */
  readonly peer: string;
  readonly local?: Addr;
  /** Reads one byte or more to the front of `into`; null = the peer's FIN, undefined = none yet. */
  readNow(into: Uint8Array): number | null | undefined;
  /**
   * Calls `run` once for bytes, FIN or a failure, never from within; only after `readNow` had
   * nothing. It replaces an earlier `run` that waits. No buffer waits meanwhile.
   */
  onReadable(run: OnReady): void;
  /** True when the end may stand right behind what was read last; absent = it is not known. */
  readonly mayEnd?: boolean;
  /**
   * Writes what it can now, borrowed for the call, and returns how many bytes that was. `isLast`:
   * if that is all of them the caller calls `closeWrite` before anything else, so that they may be
   * held until then.
   */
  writeNow(bytes: Uint8Array, isLast?: boolean): number;
  /** Calls `run` once for room or a failure; only after `writeNow` left some. */
  onWritable(run: OnReady): void;
  /**
   * Sends FIN after what was written; reading goes on. `closes`: the peer's FIN was read, and the
   * stream is closed at once, which may be left to send FIN.
   */
  closeWrite(closes?: boolean): MaybePromise<void>;
  /** Ends the stream at once, with RST. */
  reset(): void;
  /** Returns facts about the connection that carries it. */
  stats?(): ConnectionStats;
}
