import { CIRCLE, distance, isWithin } from "./circle.ts";
import type { RingHashes } from "./hashes.ts";
import { MAX_BUCKET_BYTES, MAX_BUCKET_RECORDS } from "./record.ts";
import { type MeshRecord, replaces, sizeOf } from "./record.ts";
import { WriterTallies } from "./writer_tallies.ts";

const SEGMENTS = 256;
const SEGMENT_BITS = 120n;

/** Records whose hashes may wait: most of those that wait have been replaced by then. */
const MOST_DUE = 64;

interface Held {
  record: MeshRecord;
  /** The part of the bucket's sum that is this record's, or was that of the one in whose place it came. */
  sum: bigint;
  /** The record's own hash is not in the sums yet. */
  isDue: boolean;
}

/** Records of one position. */
export interface Bucket {
  readonly name: string;
  readonly position: bigint;
  readonly records: Map<string, Held>;
  bytes: number;
  /** Valid behind `#sumUp`. */
  sum: bigint;
  /** Parts of writers, from when on one of them may be near its limit. */
  writers: WriterTallies | null;
}

interface Segment {
  readonly buckets: Set<Bucket>;
  count: number;
  sum: bigint;
}

export interface Summary {
  readonly count: number;
  readonly sum: bigint;
}

/** The records that a node holds, with sums over ranges of positions. */
export class RecordStore {
  readonly #hashes: RingHashes;
  readonly #buckets = new Map<string, Bucket>();
  readonly #segments: Segment[] = Array.from(
    { length: SEGMENTS },
    () => ({ buckets: new Set(), count: 0, sum: 0n }),
  );
  /** Seconds in which records expire, with these. */
  readonly #expiries = new Map<number, Set<MeshRecord>>();
  /** Records whose hashes are to be added to the sums, before one is told. */
  #due: Held[] = [];
  #lastSecond = 0;
  /** Parts of writers of all that is held. */
  readonly writers = new WriterTallies();
  bytes = 0;
  count = 0;

  constructor(hashes: RingHashes) {
    this.#hashes = hashes;
  }

  /** Records that are looked at again when they expire. */
  get expiring(): number {
    let count = 0;
    for (const { size } of this.#expiries.values()) count += size;
    return count;
  }

  /** Buckets that are not empty. */
  buckets(): IterableIterator<Bucket> {
    return this.#buckets.values();
  }

  bucket(name: string): Bucket | undefined {
    return this.#buckets.get(name);
  }

  positionOf(bucket: string): bigint {
    return this.#buckets.get(bucket)?.position ?? this.#hashes.position(bucket);
  }

  get(bucket: string, child: string): MeshRecord | undefined {
    return this.#buckets.get(bucket)?.records.get(child)?.record;
  }

  /** Returns the sum over the records of a bucket. */
  sumOf(bucket: string): bigint {
    this.#sumUp();
    return this.#buckets.get(bucket)?.sum ?? 0n;
  }

  /** Takes a record unless the one that is held is as new. Returns true if it was taken. */
  put(record: MeshRecord): boolean {
    let bucket = this.#buckets.get(record.bucket);
    const held = bucket?.records.get(record.child);
    const before = held?.record;
    if (!replaces(record, before)) return false;
    if (bucket === undefined) {
      const position = this.#hashes.position(record.bucket);
      const name = record.bucket;
      bucket = { name, position, records: new Map(), bytes: 0, sum: 0n, writers: null };
      this.#buckets.set(bucket.name, bucket);
      this.#segmentOf(position).buckets.add(bucket);
    }
    if (held === undefined) {
      const first = { record, sum: 0n, isDue: false };
      bucket.records.set(record.child, first);
      this.#owe(first);
    } else {
      held.record = record;
      this.#owe(held);
    }
    this.#count(bucket, before, record);
    this.#expect(before, record);
    return true;
  }

  /** A hash costs as much as the rest of a write, whose writer is to be answered first. */
  #owe(held: Held): void {
    if (held.isDue) return;
    held.isDue = true;
    if (this.#due.push(held) > MOST_DUE) this.#sumUp();
  }

  #sumUp(): void {
    if (this.#due.length === 0) return;
    for (const held of this.#due) {
      if (!held.isDue) continue; // it is gone
      held.isDue = false;
      const sum = this.#hashes.sum(held.record);
      this.#add(this.#buckets.get(held.record.bucket)!, sum - held.sum);
      held.sum = sum;
    }
    this.#due = [];
  }

  #add(bucket: Bucket, sum: bigint): void {
    const segment = this.#segmentOf(bucket.position);
    bucket.sum = modulo(bucket.sum + sum);
    segment.sum = modulo(segment.sum + sum);
  }

  /** Puts a record in the place of one with the same version: it counts as the same. */
  exchange(record: MeshRecord): void {
    const bucket = this.#buckets.get(record.bucket)!;
    const held = bucket.records.get(record.child)!;
    this.#count(bucket, held.record, record);
    this.#expect(held.record, record);
    held.record = record;
  }

  remove(record: MeshRecord): void {
    const bucket = this.#buckets.get(record.bucket);
    const held = bucket?.records.get(record.child);
    if (bucket === undefined || held === undefined) return;
    bucket.records.delete(record.child);
    held.isDue = false;
    this.#add(bucket, -held.sum);
    this.#count(bucket, held.record, undefined);
    this.#expect(held.record, undefined);
    if (bucket.records.size > 0) return;
    this.#buckets.delete(bucket.name);
    this.#segmentOf(bucket.position).buckets.delete(bucket);
  }

  /** Counts and sums up the records of (from, to]. */
  summary(from: bigint, to: bigint): Summary {
    this.#sumUp();
    let [count, sum] = [0, 0n];
    this.#visit(from, to, (segment) => {
      count += segment.count;
      sum += segment.sum;
    }, (bucket) => {
      count += bucket.records.size;
      sum += bucket.sum;
    });
    return { count, sum: modulo(sum) };
  }

  /** Counts the buckets of (from, to]. */
  countBuckets(from: bigint, to: bigint): number {
    let count = 0;
    this.#visit(from, to, (segment) => count += segment.buckets.size, () => count++);
    return count;
  }

  /** Returns buckets of (from, to], in the order of their positions. */
  bucketsIn(from: bigint, to: bigint): Bucket[] {
    const found: Bucket[] = [];
    const add = (bucket: Bucket) => found.push(bucket);
    this.#visit(from, to, (segment) => segment.buckets.forEach(add), add);
    const far = (bucket: Bucket) => from === to ? bucket.position : distance(from, bucket.position);
    return found.sort((a, b) => far(a) < far(b) ? -1 : far(a) > far(b) ? 1 : 0);
  }

  /** Returns the records that expire up to now and have not been told before. */
  expired(nowMs: number): MeshRecord[] {
    const second = Math.floor(nowMs / 1000);
    if (this.#lastSecond === 0) this.#lastSecond = second - 1;
    const found: MeshRecord[] = [];
    if (second - this.#lastSecond > this.#expiries.size) {
      for (const due of [...this.#expiries.keys()]) if (due < second) this.#expire(due, found);
    } else {
      for (let due = this.#lastSecond; due < second; due++) this.#expire(due, found);
    }
    this.#lastSecond = second;
    return found;
  }

  #expire(second: number, into: MeshRecord[]): void {
    for (const record of this.#expiries.get(second) ?? []) {
      if (this.get(record.bucket, record.child) === record) into.push(record);
    }
    this.#expiries.delete(second);
  }

  /** A record that is replaced is not kept until it would have expired. */
  #expect(before: MeshRecord | undefined, after: MeshRecord | undefined): void {
    if (before !== undefined && before.expiry !== 0) this.#expectNoLonger(before);
    if (after === undefined || after.expiry === 0) return;
    const second = Math.max(secondOf(after), this.#lastSecond);
    const others = this.#expiries.get(second);
    if (others === undefined) this.#expiries.set(second, new Set([after]));
    else others.add(after);
  }

  /** One that had expired when it came is with the second of then, which is soon over. */
  #expectNoLonger(record: MeshRecord): void {
    const second = secondOf(record);
    const others = this.#expiries.get(second);
    if (others?.delete(record) === true && others.size === 0) this.#expiries.delete(second);
  }

  /** Counts a record in the place of another one. */
  #count(
    bucket: Bucket,
    before: MeshRecord | undefined,
    after: MeshRecord | undefined,
  ): void {
    const count = (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    const bytes = (after === undefined ? 0 : sizeOf(after)) -
      (before === undefined ? 0 : sizeOf(before));
    bucket.bytes += bytes;
    this.bytes += bytes;
    if (count !== 0) this.#segmentOf(bucket.position).count += count;
    this.count += count;
    this.writers.exchange(before, after);
    if (bucket.writers !== null) return bucket.writers.exchange(before, after);
    // Below this no writer is near its limit.
    if (bucket.bytes < MAX_BUCKET_BYTES / 2 && bucket.records.size < MAX_BUCKET_RECORDS / 2) return;
    bucket.writers = new WriterTallies();
    for (const { record } of bucket.records.values()) bucket.writers.exchange(undefined, record);
  }

  #segmentOf(position: bigint): Segment {
    return this.#segments[Number(position >> SEGMENT_BITS)]!;
  }

  /** Visits segments that lie in (from, to] as a whole, and the buckets of the others in it. */
  #visit(
    from: bigint,
    to: bigint,
    whole: (segment: Segment) => void,
    one: (bucket: Bucket) => void,
  ): void {
    const span = from === to ? CIRCLE : distance(from, to);
    const first = Number(from >> SEGMENT_BITS);
    for (let i = 0; i <= SEGMENTS; i++) {
      const index = (first + i) % SEGMENTS;
      const segment = this.#segments[index]!;
      const start = BigInt(index) << SEGMENT_BITS;
      const isFirst = i === 0 || i === SEGMENTS;
      if (!isFirst && distance(from, start) > span) return;
      if (segment.buckets.size === 0) continue;
      const end = start + (1n << SEGMENT_BITS) - 1n;
      // The last position of a segment lies in the range only if all others do.
      if (!isFirst && distance(from, end) <= span) whole(segment);
      else {
        for (const bucket of segment.buckets) {
          if (!isWithin(from, bucket.position, to)) continue;
          // A range that ends where it began meets its first segment twice.
          const isAfter = distance(from, bucket.position) <= end - from;
          if (!isFirst || (i === 0) === (isAfter && bucket.position > from)) one(bucket);
        }
      }
    }
  }
}

function secondOf({ expiry }: MeshRecord): number {
  return Math.floor(expiry / 1000);
}

function modulo(sum: bigint): bigint {
  const rest = sum % CIRCLE;
  return rest < 0n ? rest + CIRCLE : rest;
}
