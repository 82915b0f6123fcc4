/** Output of load.ts. */

export interface BulkFound {
  /** Behind the warming up. */
  mbPerSecond: number;
  /** From the first byte. */
  allBytes: number;
}

export interface RateFound {
  /** Behind the warming up. */
  perSecond: number;
  /** Connections from the first one on. */
  all: number;
  failures: number;
}
