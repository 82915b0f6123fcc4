import type { Addr } from "../base/addr.ts";
import type { StreamsBeside } from "./beside.ts";
import type { PacketWay } from "./packet_way.ts";
import type { ConnectionStats } from "./stats.ts";
import type { Stream } from "./stream.ts";

/**
 * Small segments are sent at once (TCP_NODELAY), unless options say otherwise. Without TCP,
 * `setOptions` sets nothing and misses nothing, `congestion` is empty, and an end without an address
 * is a unix socket without a path.
 */
export interface Connection extends Stream {
  readonly local: Addr;
  readonly remote: Addr;
  stats(): ConnectionStats;
  /** The system's name of its congestion control; "" where the system does not tell. */
  readonly congestion: string;
  /**
   * Hash of the certificate that the connection's server showed, to which a link on it is bound: a
   * man in the middle has another one (docs/wire/link-v2.md, B). Absent = there is none to bind to.
   */
  readonly binding?: Uint8Array | undefined;
  /** Absent = the connection is one stream and nothing else. */
  readonly beside?: StreamsBeside;
  /** Absent = what is not to wait for lost bytes goes on the stream all the same. */
  readonly packets?: PacketWay;
  /** Sets what it can; returns the kernel's names of the options that it could not set. */
  setOptions(options: SocketOptions): string[];
}

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
  /** TCP_CONGESTION, by the path that the connection has got. */
  congestion?: CongestionChoice | undefined;
}

/** The kernel's names of congestion controls; null leaves what the connection has. */
export interface CongestionChoice {
  readonly far: string | null;
  /** For a least round trip so far under `nearMs`. */
  readonly near: string | null;
  readonly nearMs: number;
}
