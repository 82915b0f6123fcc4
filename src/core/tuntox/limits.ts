/** Limits of the other end of a link. */
export interface TunnelLimits {
  /** Tunnels at a time, those included that are not connected yet. */
  readonly tunnels: number;
  /** Bytes that have come and wait for a reader: of a tunnel, and of all. */
  readonly unreadOfTunnel: number;
  readonly unread: number;
  /** Milliseconds for the answer to a request. */
  readonly answerMs: number;
  /** Milliseconds without data after which a client's half-closed tunnel ends. */
  readonly halfClosedMs: number;
}

/** The wire has no flow control, so a reader that is slower than the link needs memory. */
export const USUAL_LIMITS: TunnelLimits = {
  tunnels: 256,
  unreadOfTunnel: 32 << 20,
  unread: 128 << 20,
  answerMs: 15_000,
  halfClosedMs: 15_000,
};

/** Bytes that have come and wait for readers, of all friends together: two may have all of theirs. */
export const UNREAD_OF_ALL = 256 << 20;
