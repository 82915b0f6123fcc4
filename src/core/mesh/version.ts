/** The version of a record. Versions are compared by epoch, then hlc, then writer. */
export interface RecordVersion {
  /** u64. A higher session of an agent replaces a lower one, however the clocks stand; else 0. */
  readonly epoch: bigint;
  /** u64: 48 bits of Unix milliseconds and 16 bits of a counter (hybrid_clock.ts). */
  readonly hlc: bigint;
  /** First 8 bytes of the writer's nodeId, u64. A writer never uses an hlc twice. */
  readonly writer: bigint;
}

/** Bytes of a version: epoch, hlc and writer. */
export const VERSION_SIZE = 24;

/** One view for all: one of its own would cost each version more than the rest. */
const scratch = new Uint8Array(VERSION_SIZE);
const view = new DataView(scratch.buffer);

export function versionBytes({ epoch, hlc, writer }: RecordVersion): Uint8Array {
  view.setBigUint64(0, epoch);
  view.setBigUint64(8, hlc);
  view.setBigUint64(16, writer);
  return scratch.slice();
}

/** Writes what `versionBytes` gives. */
export function writeVersion(
  bytes: Uint8Array,
  at: number,
  { epoch, hlc, writer }: RecordVersion,
): void {
  view.setBigUint64(0, epoch);
  view.setBigUint64(8, hlc);
  view.setBigUint64(16, writer);
  bytes.set(scratch, at);
}

/** Reads what `versionBytes` gives. */
export function readVersion(bytes: Uint8Array): RecordVersion {
  scratch.set(bytes.subarray(0, VERSION_SIZE));
  return {
    epoch: view.getBigUint64(0),
    hlc: view.getBigUint64(8),
    writer: view.getBigUint64(16),
  };
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
