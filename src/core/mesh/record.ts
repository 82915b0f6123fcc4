import type { RecordVersion } from "./version.ts";
import { compareVersions } from "./version.ts";

export const MAX_VALUE = 64 * 1024;
export const MAX_KEY = 512;
export const MAX_BUCKET_RECORDS = 10_000;
export const MAX_BUCKET_BYTES = 1024 * 1024;

/** Bounds of the time that a soft record lives, in milliseconds. */
export const MIN_SOFT_TTL_MS = 5000;
export const MAX_SOFT_TTL_MS = 3600_000;

/** How much longer than a soft record the trace of its deletion lives: longer than every copy. */
export const SOFT_TOMBSTONE_MS = 120_000;

/** Soft records are refreshed by their writers and never on disk; durable ones are on disks. */
export type RecordClass = "soft" | "durable";

/** One record of the ring. Records are never changed: newer versions take their places. */
export interface MeshRecord {
  /** The first two segments of the key: all records of a bucket have one position. */
  readonly bucket: string;
  /** The rest of the key, "" for the bucket's own record. */
  readonly child: string;
  readonly value: Uint8Array;
  readonly version: RecordVersion;
  /** Unix milliseconds, 0 for none. */
  readonly expiry: number;
  /** True for the trace that a deletion leaves; its value is empty. */
  readonly isTombstone: boolean;
  readonly class: RecordClass;
}

/** Names a record and its version in lists that two nodes compare. */
export interface RecordName {
  readonly bucket: string;
  readonly child: string;
  readonly version: RecordVersion;
}

const MAX_SEGMENT = 253;
const SLASH = 0x2f;

/** 1 for each character of a segment. */
const IN_SEGMENT = Uint8Array.from(
  { length: 128 },
  (_, code) => /^[A-Za-z0-9._-]$/.test(String.fromCharCode(code)) ? 1 : 0,
);

/** True for what `splitKey` gives. */
export function isName(bucket: string, child: string): boolean {
  if (segmentsIn(bucket) !== 2) return false;
  if (child === "") return bucket.length <= MAX_KEY;
  return segmentsIn(child) > 0 && bucket.length + 1 + child.length <= MAX_KEY;
}

/** Returns 0 where one of the segments is none. */
function segmentsIn(text: string): number {
  let [segments, begin] = [0, 0];
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : SLASH;
    if (code === SLASH) {
      if (i === begin || i - begin > MAX_SEGMENT) return 0;
      begin = i + 1;
      segments++;
    } else if (IN_SEGMENT[code] !== 1) return 0;
  }
  return segments;
}

/** Divides a key into bucket and child, or returns null where it is no key. */
export function splitKey(key: string): { bucket: string; child: string } | null {
  if (key.length > MAX_KEY || segmentsIn(key) < 2) return null;
  const end = key.indexOf("/", key.indexOf("/") + 1);
  if (end < 0) return { bucket: key, child: "" };
  return { bucket: key.slice(0, end), child: key.slice(end + 1) };
}

export function joinKey({ bucket, child }: { bucket: string; child: string }): string {
  return child === "" ? bucket : `${bucket}/${child}`;
}

/** True if `record` takes the place of `held`. */
export function replaces(record: MeshRecord, held: MeshRecord | undefined): boolean {
  return held === undefined || compareVersions(record.version, held.version) > 0;
}

/** Returns the bytes that a record counts for in limits and batches. */
export function sizeOf(record: MeshRecord): number {
  return record.bucket.length + record.child.length + record.value.length + 40;
}
