import type { MaybePromise, OnReady } from "./stream.ts";

/** Time as drivers see it. In the data plane it is the reactor's, in tests a virtual one. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Calls `run` once, `ms` from now at the earliest, unless disposed of first. */
  after(ms: number, run: () => void): Disposable;
  /** Lets everything else that is ready run once. */
  turn(): MaybePromise<void>;
  /** Calls `run` once, when everything else that is ready has run: `turn` without a promise. */
  onTurn(run: OnReady): void;
}

/** Cryptographically secure random bytes, in a new array. */
export type Rng = (length: number) => Uint8Array;

/** Whose limit name queries count against: an opaque text; absent = ttun's own. */
export interface NameOwner {
  readonly owner?: string;
}

export interface Resolver {
  /**
   * IP addresses of a host name (or of an address, itself), best first. `owner`: on whose behalf, an
   * opaque text: each owner has a limit of its own, and all owners of one key (what stands before the
   * last space) share what is left; absent = ttun's, which waits behind nobody.
   * @throws {NameError}; {TtunError} exhausted; the signal's reason
   */
  resolve(host: string, o: { signal: AbortSignal; owner?: string | undefined }): Promise<string[]>;
}
