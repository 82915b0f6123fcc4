/** Statistics of a connection; those that the system does not have are absent. */
export interface ConnectionStats {
  /** Name of the protocol, such as "tcp" or "mptcp". */
  protocol: string;
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
