import type { MaybePromise, OnReady } from "./stream.ts";

/** Time: the reactor's in the data plane, a virtual one in tests. */
export interface Clock {
  /** Returns milliseconds of a monotonic clock. */
  now(): number;
  /** Calls `run` once, `ms` from now at the earliest. */
  after(ms: number, run: () => void): Disposable;
  /** Lets everything else that is ready run once. */
  turn(): MaybePromise<void>;
  /** Calls `run` once like `turn`, without a promise. */
  onTurn(run: OnReady): void;
}

/** Makes cryptographically secure random bytes, in a new array. */
export type Rng = (length: number) => Uint8Array;

/** Tells on whose behalf names are asked for (`Resolver`). */
export interface NameOwner {
  readonly owner?: string;
}

export interface Resolver {
  /**
   * Returns IP addresses of a host, best first. `owner`: an opaque text with a limit of its own;
   * owners of one key (what stands before the last space) share what is left; absent = ttun, which
   * waits behind nobody.
   * @throws {NameError}; {TtunError} exhausted; the signal's reason
   */
  resolve(host: string, o: { signal: AbortSignal; owner?: string | undefined }): Promise<string[]>;
}
