import type { Libc } from "./libc.ts";

/** sys/resource.h; struct rlimit is two u64: what holds, and what it can be raised to. */
const RLIMIT_NOFILE = 7;
const UNLIMITED = 2n ** 64n - 1n;

/**
 * Raises the number of descriptors that this process may have to what it can be without a privilege
 * (RLIMIT_NOFILE's hard limit). Returns how many that are; Infinity where there is no limit, or it
 * cannot be told.
 */
export function raiseDescriptorLimit(libc: Libc): number {
  const limits = new BigUint64Array(2);
  const bytes = new Uint8Array(limits.buffer);
  if (libc.call.getrlimit(RLIMIT_NOFILE, bytes) !== 0) return Infinity;
  const [soft, hard] = limits as unknown as [bigint, bigint];
  if (soft < hard) {
    limits[0] = hard;
    // Where it is refused the old limit holds.
    if (libc.call.setrlimit(RLIMIT_NOFILE, bytes) !== 0) limits[0] = soft;
  }
  return limits[0] === UNLIMITED ? Infinity : Number(limits[0]);
}
