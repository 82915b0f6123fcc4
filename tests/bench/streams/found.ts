/** Output of load.ts. */

/** Of the small streams' messages in some time; milliseconds. */
export interface Found {
  /** From a message to its answer; Infinity = more than 1 % had none. */
  p50: number;
  p99: number;
  /** How late messages were sent, p99: more than a fraction of the round trips spoils them. */
  lateP99: number;
  /** Mbit/s of the bulk streams together, both ways. */
  bulkMbits: number;
}

/** One after the other, over the same small streams. */
export interface LoadFound {
  alone: Found;
  /** Beside bulk streams. */
  bulk: Found;
  /** Beside those, and others that send without end to a program that never reads. */
  unread: Found;
  /** Share of a processor that the load took all in all. */
  cpu: number;
}
