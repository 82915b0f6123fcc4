/** Facts about a connection; those that the system cannot tell are absent. */
export interface ConnectionStats {
  protocol: string;
  /** Bytes that the peer's kernel has acknowledged since the beginning. */
  acked?: number;
  /** Bytes that have arrived since the beginning, read or not. */
  received?: number;
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
  /** It ended by a reset, or for want of answers, and not by both ends' FIN. */
  wasReset?: boolean;
}

/** Facts about sending. Segments count since the beginning, except `sacked`. */
export interface SendingInfo {
  /** Time-outs in a row of the oldest segment that is not acknowledged. */
  timeouts: number;
  retransmitted: number;
  inFlightBytes: number;
  /** Segments of these that the peer has, with a gap before them (SACK). */
  sacked: number;
  /** Segments that the peer has, acknowledged in order or not. */
  delivered: number;
  /** Segments of any kind that have come from the peer. */
  segmentsIn: number;
  /** Time since data was last sent, also again, and since an acknowledgement last came. */
  sentMsAgo: number;
  heardMsAgo: number;
}
