import type { Addr } from "../base/addr.ts";

/** TCP's facts about sending. Segments other than `sacked` count since the beginning. */
export interface SendingInfo {
  /** Time-outs in a row of the oldest segment that is not acknowledged. */
  timeouts: number;
  /** Segments that were sent again. */
  retransmitted: number;
  /** Bytes that are sent and not acknowledged. */
  inFlightBytes: number;
  /** Segments of these that the peer has, with a gap before them (SACK). */
  sacked: number;
  /** Segments that the peer has, acknowledged in order or not. */
  delivered: number;
  /** Segments of any kind that have come from the peer. */
  segmentsIn: number;
  /** Milliseconds since data was last sent, also again, and since an acknowledgement last came. */
  sentMsAgo: number;
  heardMsAgo: number;
}

/** The value itself when it was there; a promise only when it had to be waited for. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * Called back when there may be something. True: all is done here and now, and nobody was left to
 * go on by a promise: whoever called need not see to it that promises have their turn soon.
 */
export type OnReady = () => boolean | void;

/** What the carrier knows of a connection; a fact that it cannot tell is absent. */
export interface ConnectionStats {
  protocol: "tcp" | "mptcp" | "memory";
  /** Bytes that the peer's kernel has acknowledged since the beginning. */
  acked?: number;
  /** Bytes that have arrived since the beginning, read or not. */
  received?: number;
  /** Smoothed round-trip time in milliseconds. */
  rttMs?: number;
  /** Bytes of a full segment (the sender's MSS). */
  segmentBytes?: number;
  /** The peer's kernel has acknowledged all that was written, or is no longer there to do so. */
  isDelivered?: boolean;
  sending?: SendingInfo;
  /** The peer has sent FIN, or the connection is gone. */
  peerClosed?: boolean;
  /** There is no connection any more, as after a reset: not even FIN can come or go. */
  isGone?: boolean;
}

/** Socket options that a driver asks for; an implementation names those that it could not set. */
export interface SocketOptions {
  noDelay?: boolean;
  /** Idle time before the first keepalive probe, and the interval between probes. */
  keepAliveSeconds?: number;
  /** TCP_USER_TIMEOUT: how long sent data may stay unacknowledged. */
  userTimeoutMs?: number;
  /** TCP_RTO_MAX_MS: the longest pause between two retransmissions. */
  maxRetransmitPauseMs?: number;
  /** TCP_NOTSENT_LOWAT: a write waits while the kernel holds so many bytes that it has not sent. */
  unsentBytes?: number;
  /** TCP_CONGESTION: the kernel's name of a congestion control. */
  congestion?: string;
}

/**
 * An ordered byte stream with half-close. One reader and one writer at a time.
 * After the opener's signal aborts, or after dispose, pending and later calls throw the reason.
 */
export interface Stream extends AsyncDisposable {
  readonly local: Addr;
  readonly remote: Addr;
  /** Reads at least one byte into the front of `into` (borrowed until settled); null = the peer's FIN. */
  read(into: Uint8Array): MaybePromise<number | null>;
  /** Reads what is there now, without waiting; undefined = nothing. */
  readNow(into: Uint8Array): number | null | undefined;
  /**
   * Calls `run` once, when `readNow` may have something to say: bytes, FIN or a failure. Call it
   * only after `readNow` had nothing; `run` is never called from within. No buffer waits meanwhile.
   */
  onReadable(run: OnReady): void;
  /** The same for who waits by a promise, which settles (or throws) then. */
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
  info(): ConnectionStats;
  /** Sets what it can; returns the kernel's names of the options that it could not set. */
  tune(options: SocketOptions): string[];
}

/** Opens streams to somewhere else. */
export interface Dialer {
  /** True when it heeds `DialOptions.segmentBytes`. */
  readonly limitsSegments?: boolean;
  /**
   * Opens a stream. @throws {TtunError} unreachable, timeout, …
   */
  dial(to: Addr, o: DialOptions): Promise<Stream>;
  /** The same without promises, where there is such a way. Returns as `OnReady`. */
  start?(to: Addr, o: DialOptions, events: DialEvents): boolean | void;
}

/** How an attempt ends: one of them is called, once, and must not throw. They return as `OnReady`. */
export interface DialEvents {
  /** The stream is whose events these are. */
  connected(stream: Stream): boolean | void;
  failed(error: unknown): boolean | void;
}

export interface DialOptions {
  /** What the stream lives under. */
  readonly signal: AbortSignal;
  /** Gives the attempt up; of no effect once the stream is there. */
  readonly cancel?: AbortSignal;
  /** How long the other end may take; absent = as long as the carrier itself waits. */
  readonly timeoutMs?: number;
  /** TCP_MAXSEG: the largest segment of either direction; absent = what the link carries. */
  readonly segmentBytes?: number | undefined;
}

/** Takes streams that others open. */
export interface Listener extends AsyncDisposable {
  /** Where it listens, with the port that the kernel chose when 0 was asked for. */
  readonly addr: Addr;
  /**
   * The next connection; it lives under `signal`.
   * @throws {TtunError} `exhausted` when out of descriptors: the connection is still queued, so
   * wait or free some and call again.
   */
  accept(o: { signal: AbortSignal }): MaybePromise<Stream>;
  /**
   * From now on connections that come have segments of at most so many bytes, in either direction
   * (TCP_MAXSEG). False where that cannot be set.
   */
  limitSegments?(segmentBytes: number): boolean;
  /** The same without promises, where there is such a way. */
  readonly now?: {
    /** null = none is there. @throws as `accept` */
    accept(o: { signal: AbortSignal }): Stream | null;
    /** Calls `run` once, when there may be one, or an error. Call it only after `accept` had none. */
    onReady(run: OnReady): void;
  };
}
