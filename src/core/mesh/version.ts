/** The version of a record. Versions are compared by epoch, then hlc, then writer. */
export interface RecordVersion {
  /** u64. A higher session of an agent replaces a lower one, however the clocks stand; else 0. */
  readonly epoch: bigint;
  /** u64: 48 bits of Unix milliseconds and 16 bits of a counter (hybrid_clock.ts). */
  readonly hlc: bigint;
  /** First 8 bytes of the writer's nodeId, u64. A writer never uses an hlc twice. */
  readonly writer: bigint;
}

/** Returns a number below, at or above 0, like `Array.sort` wants it. */
export function compareVersions(a: RecordVersion, b: RecordVersion): number {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1;
  if (a.hlc !== b.hlc) return a.hlc < b.hlc ? -1 : 1;
  if (a.writer !== b.writer) return a.writer < b.writer ? -1 : 1;
  return 0;
}

/** Returns a version as users see it, for comparison only: three numbers in hex digits. */
export function versionText({ epoch, hlc, writer }: RecordVersion): string {
  return `${epoch.toString(16)}.${hlc.toString(16)}.${writer.toString(16)}`;
}
