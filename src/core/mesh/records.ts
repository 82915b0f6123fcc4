import { DiskQueue, type OnStored } from "./disk_queue.ts";
import type { FailureCode } from "./frame.ts";
import type { RingHashes } from "./hashes.ts";
import { hlcOfMs, HybridClock, MAX_AHEAD_MS, msOfHlc } from "./hybrid_clock.ts";
import {
  MAX_BUCKET_BYTES,
  MAX_BUCKET_RECORDS,
  MAX_SOFT_TTL_MS,
  MAX_VALUE,
  type MeshRecord,
  sizeOf,
  SOFT_TOMBSTONE_MS,
} from "./record.ts";
import { RecordStore } from "./record_store.ts";
import type { RingContext } from "./ring_context.ts";

/** Traces of deletions of durable records are kept this long at least. */
export const TOMBSTONE_MS = 7 * 24 * 3600_000;

const SWEEP_MS = 1000;

export interface RecordsOptions {
  readonly hashes: RingHashes;
  readonly reservedHlc: bigint;
  /** Most bytes that the node takes from writers. */
  readonly maxBytes: number;
}

/** The records of a node: taken up, merged, stored, expired. */
export class Records {
  readonly store: RecordStore;
  readonly disk: DiskQueue;
  readonly clock: HybridClock;
  /** Called after each change. */
  onChange: (record: MeshRecord) => void = () => {};
  readonly #ring: RingContext;
  readonly #o: RecordsOptions;
  /** Writes that wait for a reservation of stamps. */
  #waiting: ((stamp: bigint | null) => void)[] = [];

  constructor(ring: RingContext, o: RecordsOptions) {
    this.#ring = ring;
    this.#o = o;
    this.store = new RecordStore(o.hashes);
    this.disk = new DiskQueue(ring);
    this.clock = new HybridClock(o.reservedHlc);
  }

  start(): void {
    this.#sweep();
  }

  /** Gives a stamp for a new version, once it is reserved; null where the disk refuses. */
  stamp(run: (stamp: bigint | null) => void): void {
    const { wall: now } = this.#ring;
    const wanted = this.clock.wanted(now);
    if (wanted !== null) {
      this.disk.write({ reservedHlc: wanted }, (isGood) => {
        if (isGood) this.clock.reserved(wanted);
        else this.clock.refused();
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const next of waiting) {
          if (isGood) this.stamp(next);
          else next(null);
        }
      });
    }
    const stamp = this.#waiting.length > 0 ? null : this.clock.next(now);
    if (stamp === null) this.#waiting.push(run);
    else run(stamp);
  }

  /** Takes a write of a coordinator. Calls back with null once it is stored, else with the reason. */
  write(record: MeshRecord, onEnd: (code: FailureCode | null) => void): void {
    const refusal = this.#refusal(record) ?? this.#limit(record);
    if (refusal !== null) return onEnd(refusal);
    this.#merge(record);
    if (record.class === "soft") return onEnd(null);
    this.disk.whenStored((isGood) => onEnd(isGood ? null : "limit"));
  }

  /** Merges records that another node has. Calls back once they are stored. */
  take(records: readonly MeshRecord[], onStored: OnStored): void {
    for (const record of records) if (this.#refusal(record) === null) this.#merge(record);
    this.disk.whenStored(onStored);
  }

  /** Takes up what the disk has, without writing it again. */
  load(records: readonly MeshRecord[]): void {
    for (const record of records) this.store.put(record);
  }

  /** Gives up a record that others hold. */
  forget(record: MeshRecord): void {
    this.store.remove(record);
    if (record.class === "durable") this.disk.remove(record);
  }

  /** Drops traces of deletions in (from, to] that expired before, since all replicas have seen them. */
  dropTombstones(from: bigint, to: bigint, before: number): void {
    const { wall: now } = this.#ring;
    for (const bucket of this.store.bucketsIn(from, to)) {
      for (const { record } of [...bucket.records.values()]) {
        const isOver = record.isTombstone && record.expiry < Math.min(before, now);
        if (isOver && record.class === "durable") this.forget(record);
      }
    }
  }

  /** Returns a record as readers see it: null for one that is deleted or expired. */
  static visible(record: MeshRecord | undefined, nowMs: number): MeshRecord | null {
    if (record === undefined || record.isTombstone) return null;
    return record.expiry !== 0 && record.expiry <= nowMs ? null : record;
  }

  #refusal(record: MeshRecord): FailureCode | null {
    const { wall: now } = this.#ring;
    if (record.value.length > MAX_VALUE) return "limit";
    const longest = MAX_SOFT_TTL_MS + SOFT_TOMBSTONE_MS + MAX_AHEAD_MS;
    const isEndless = record.expiry === 0 || record.expiry > now + longest;
    if (record.class === "soft" && isEndless) return "denied";
    if (!this.clock.observe(record.version.hlc, now)) {
      const node = record.version.writer.toString(16);
      this.#ring.tell({ name: "skew", node, aheadMs: msOfHlc(record.version.hlc - hlcOfMs(now)) });
      return "skew";
    }
    return null;
  }

  #limit(record: MeshRecord): FailureCode | null {
    if (record.isTombstone) return null;
    if (this.disk.isFull && record.class === "durable") return "limit";
    const bucket = this.store.bucket(record.bucket);
    const held = bucket?.records.get(record.child)?.record;
    const more = sizeOf(record) - (held === undefined ? 0 : sizeOf(held));
    if (more <= 0) return null;
    if (this.store.bytes + more > this.#o.maxBytes) return "limit";
    if (bucket === undefined) return null;
    if (bucket.bytes + more > MAX_BUCKET_BYTES) return "limit";
    return held === undefined && bucket.records.size >= MAX_BUCKET_RECORDS ? "limit" : null;
  }

  #merge(record: MeshRecord): void {
    const isGone = record.expiry !== 0 && record.expiry <= this.#ring.wall;
    if (isGone && record.class === "soft") return;
    if (!this.store.put(record)) return;
    if (record.class === "durable") this.disk.put(record);
    this.onChange(record);
  }

  /** Ends what has expired. */
  #sweep(): void {
    const ring = this.#ring;
    ring.timers.at(ring.now + SWEEP_MS, () => this.#sweep());
    for (const record of this.store.expired(ring.wall)) {
      if (record.class === "soft") this.store.remove(record);
      else if (!record.isTombstone) {
        // An older version without an end may come back from a node that was away.
        const expiry = record.expiry + TOMBSTONE_MS;
        const trace = { ...record, value: new Uint8Array(), isTombstone: true, expiry };
        this.store.exchange(trace);
        this.disk.put(trace);
      }
    }
  }
}
