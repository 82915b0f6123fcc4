import type { Addr } from "../base/addr.ts";
import type { ConnectionStats } from "./stats.ts";

/** The value itself when it was there; a promise only when it had to be waited for. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * Called back when there may be something. Returns true if everything was handled synchronously
 * and nothing was left to a promise, so that the caller need not yield to the event loop.
 */
export type OnReady = () => boolean | void;

/**
 * An ordered byte stream with half-close, by callbacks; `app/loop/stream_io.ts` has the promise
 * forms. One reader and one writer at a time. After the opener's signal aborts, or after dispose,
 * waiting callbacks are run and later calls throw the reason.
 */
export interface Stream extends AsyncDisposable {
  /** Label of the other end for logs: an address, where there is one. */
  readonly peer: string;
  /** Address of this end, where there is one. */
  readonly local?: Addr;
  /**
   * Reads what is there now, without waiting, into the front of `into`: at least one byte; null =
   * the peer's FIN, undefined = nothing yet.
   */
  readNow(into: Uint8Array): number | null | undefined;
  /**
   * Calls `run` once, when `readNow` may have something to say: bytes, FIN or a failure. Call it
   * only after `readNow` had nothing; `run` is never called from within, and replaces an earlier one
   * that still waits. No buffer waits meanwhile.
   */
  onReadable(run: OnReady): void;
  /**
   * Writes what can be written without waiting; returns how many bytes that was. The others are the
   * caller's to write later. Bytes are borrowed for the call.
   */
  writeNow(bytes: Uint8Array): number;
  /**
   * Calls `run` once, when `writeNow` may take more bytes, or has a failure to say. Call it only
   * after `writeNow` left some; otherwise as `onReadable`.
   */
  onWritable(run: OnReady): void;
  /** Sends FIN after what was written; reading goes on. */
  closeWrite(): MaybePromise<void>;
  /** Ends at once and tells the peer by RST. */
  reset(): void;
  /** Statistics of the connection that carries it, where there is one. */
  stats?(): ConnectionStats;
}
