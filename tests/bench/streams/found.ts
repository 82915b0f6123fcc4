/** Output of load.ts, and the loads that it makes. */

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

/** In this order, over the same small streams. */
export const LOADS = ["alone", "bulk", "unread", "both"] as const;
export type Load = typeof LOADS[number];

/** `found.bulk` is beside bulk streams down; then others join them. */
export interface LoadFound {
  found: Record<Load, Found>;
  /** Share of a processor that the load took all in all. */
  cpu: number;
}
