import type { Addr } from "../base/addr.ts";
import type { ConnectionStats } from "./connection.ts";

/** The value itself when it was there; a promise only when it had to be waited for. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * Called back when there may be something. Returns true if everything was handled synchronously
 * and nothing was left to a promise, so that the caller need not yield to the event loop.
 */
export type OnReady = () => boolean | void;

/**
 * An ordered byte stream with half-close. One reader and one writer at a time.
 * After the opener's signal aborts, or after dispose, pending and later calls throw the reason.
 */
export interface Stream extends AsyncDisposable {
  /** Label of the other end for logs: an address, where there is one. */
  readonly peer: string;
  /** Address of this end, where there is one. */
  readonly local?: Addr;
  /** Reads at least one byte into the front of `into` (borrowed until settled); null = the peer's FIN. */
  read(into: Uint8Array): MaybePromise<number | null>;
  /** Reads what is there now, without waiting; undefined = nothing. */
  readNow(into: Uint8Array): number | null | undefined;
  /**
   * Calls `run` once, when `readNow` may have something to say: bytes, FIN or a failure. Call it
   * only after `readNow` had nothing; `run` is never called from within. No buffer waits meanwhile.
   */
  onReadable(run: OnReady): void;
  /** Promise form of `onReadable`; settles or throws then. */
  readable(): Promise<void>;
  /**
   * Writes what can be written without waiting; returns how many bytes that was. The others are the
   * caller's to `write`. 0 while an earlier write waits.
   */
  writeNow(bytes: Uint8Array): number;
  /** Writes all bytes (borrowed until settled). */
  write(all: Uint8Array): MaybePromise<void>;
  /** Sends FIN after what was written; reading goes on. */
  closeWrite(): MaybePromise<void>;
  /** Ends at once and tells the peer by RST. */
  reset(): void;
  /** Statistics of the connection that carries it, where there is one. */
  stats?(): ConnectionStats;
}
