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
   * Returns bytes that can be read now, where they lie in the stream's memory, which spares a copy;
   * valid until the next call. Null = there are none, or too few: call `readNow`.
   */
  peekNow?(): Uint8Array | null;
  /** Reads the first `bytes` of those that `peekNow` has just returned. */
  consume?(bytes: number): void;
  /**
   * Returns the stream's memory for bytes to write, which spares a copy; valid until the next call
   * of any stream's but a read. It is empty where there is no room: call `onWritable`. Null = call
   * `writeNow`, which may fail.
   */
  reserveNow?(): Uint8Array | null;
  /** Writes the first `bytes`, one or more, of the memory that `reserveNow` has just returned. */
  commit?(bytes: number): void;
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
