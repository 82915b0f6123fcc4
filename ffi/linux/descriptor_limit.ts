import type { Libc } from "./libc.ts";

/** sys/resource.h. struct rlimit is two u64: the soft and the hard limit. */
const RLIMIT_NOFILE = 7;
const UNLIMITED = 2n ** 64n - 1n;

/**
 * Raises the limit to the hard limit, which needs no privilege. Returns it; Infinity if there is
 * none or it cannot be read.
 */
export function raiseDescriptorLimit(libc: Libc): number {
  const limits = new BigUint64Array(2);
  const bytes = new Uint8Array(limits.buffer);
  if (libc.getrlimit(RLIMIT_NOFILE, bytes) !== 0) return Infinity;
  const [soft, hard] = limits as unknown as [bigint, bigint];
  if (soft < hard) {
    limits[0] = hard;
    if (libc.setrlimit(RLIMIT_NOFILE, bytes) !== 0) limits[0] = soft;
  }
  return limits[0] === UNLIMITED ? Infinity : Number(limits[0]);
}
