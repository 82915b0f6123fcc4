import { DiskQueue } from "./disk_queue.ts";
import type { FailureCode } from "./frame.ts";
import type { RingHashes } from "./hashes.ts";
import { HybridClock, MAX_AHEAD_MS, MAX_OFF_MS, msOfHlc } from "./hybrid_clock.ts";
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
import type { Timer } from "./timers.ts";
import { compareVersions } from "./version.ts";

/** Traces of deletions of durable records are kept this long at least. */
export const TOMBSTONE_MS = 7 * 24 * 3600_000;

const SWEEP_MS = 1000;

/** Writes that wait for a stamp are looked at again after this. */
const STAMP_AGAIN_MS = 100;

/** From this part of its room on a node takes no more of writers who have an even share of it. */
const SHARED_FROM = 3 / 4;

/** Gets a stamp, or the reason why there is none: the disk is full, or the clock was set back. */
export type OnStamp = (stamp: bigint | "limit" | "skew") => void;

export interface RecordsOptions {
  readonly hashes: RingHashes;
  readonly reservedHlc: bigint;
  /** Bytes of records that the node takes of writers; as much again is for what other nodes hand over. */
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
  /** Writes that wait for a stamp. */
  readonly #waiting: OnStamp[] = [];
  #again: Timer | null = null;

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

  /** Gives a stamp for a new version, once it is reserved and others take it. */
  stamp(run: OnStamp): void {
    const { time, lagMs } = this.#ring;
    const stamp = this.#waiting.length > 0 ? null : this.clock.next(time, lagMs);
    if (stamp !== null) run(stamp);
    else {
      this.#waiting.push(run);
      this.#giveStamps();
    }
    this.#reserve();
  }

  #giveStamps(): void {
    const { time, lagMs } = this.#ring;
    if (this.clock.holdMs(time, lagMs) > MAX_OFF_MS) return this.#failStamps("skew");
    while (this.#waiting.length > 0) {
      const stamp = this.clock.next(time, lagMs);
      if (stamp === null) break;
      this.#waiting.shift()!(stamp);
    }
    if (this.#waiting.length === 0 || this.#again !== null) return;
    this.#again = this.#ring.timers.at(this.#ring.now + STAMP_AGAIN_MS, () => {
      this.#again = null;
      this.#giveStamps();
      this.#reserve();
    });
  }

  #reserve(): void {
    const wanted = this.clock.wanted(this.#ring.time);
    if (wanted === null) return;
    this.disk.write({ reservedHlc: wanted }, (isGood) => {
      if (isGood) {
        this.clock.reserved(wanted);
        this.#giveStamps();
      } else {
        this.clock.refused();
        this.#failStamps("limit");
      }
    });
  }

  #failStamps(reason: "limit" | "skew"): void {
    for (const run of this.#waiting.splice(0)) run(reason);
  }

  /**
   * Takes a write of a coordinator. Calls back with null once it is stored, else with the reason, and
   * with the stamp of a newer version that is here, or 0.
   */
  write(record: MeshRecord, onEnd: (code: FailureCode | null, newer: bigint) => void): void {
    const refusal = this.#refusal(record) ?? this.#limit(record);
    if (refusal !== null) return onEnd(refusal, 0n);
    const held = this.store.get(record.bucket, record.child);
    const isOlder = held !== undefined && compareVersions(held.version, record.version) > 0 &&
      held.version.epoch === record.version.epoch;
    const newer = isOlder ? held.version.hlc : 0n;
    this.#merge(record);
    if (record.class === "soft") return onEnd(null, newer);
    this.disk.whenStored((isGood) => onEnd(isGood ? null : "limit", newer));
  }

  /** Merges records that another node has. Calls back once they are stored, but for those refused. */
  take(
    records: readonly MeshRecord[],
    onStored: (isGood: boolean, refused: readonly number[]) => void,
  ): void {
    const refused: number[] = [];
    for (const [index, record] of records.entries()) {
      const hasRoom = this.store.bytes + sizeOf(record) <= 2 * this.#o.maxBytes;
      if (hasRoom && this.#refusal(record) === null) this.#merge(record);
      else refused.push(index);
    }
    this.disk.whenStored((isGood) => onStored(isGood, refused));
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
    const { time: now } = this.#ring;
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
    const { time: now } = this.#ring;
    if (record.value.length > MAX_VALUE) return "limit";
    const longest = MAX_SOFT_TTL_MS + SOFT_TOMBSTONE_MS + MAX_AHEAD_MS;
    const isEndless = record.expiry === 0 || record.expiry > now + longest;
    if (record.class === "soft" && isEndless) return "denied";
    if (!this.clock.observe(record.version.hlc, now)) {
      const node = record.version.writer.toString(16);
      this.#ring.tell({
        name: "skew",
        node,
        aheadMs: msOfHlc(record.version.hlc) - Math.floor(now),
      });
      return "skew";
    }
    return null;
  }

  #limit(record: MeshRecord): FailureCode | null {
    const { maxBytes } = this.#o;
    if (record.isTombstone) return this.store.bytes <= 2 * maxBytes ? null : "limit";
    if (this.disk.isFull && record.class === "durable") return "limit";
    const bucket = this.store.bucket(record.bucket);
    const held = bucket?.records.get(record.child)?.record;
    if (sizeOf(record) <= (held === undefined ? 0 : sizeOf(held))) return null;
    const { writer } = record.version;
    const isOwn = held?.version.writer === writer;
    const more = sizeOf(record) - (isOwn ? sizeOf(held) : 0);
    if (this.#isFullFor(writer, more)) return "limit";
    if (bucket === undefined || bucket.writers === null) return null;
    const { bytes, count } = bucket.writers.of(writer);
    if (bytes + more > MAX_BUCKET_BYTES) return "limit";
    return !isOwn && count >= MAX_BUCKET_RECORDS ? "limit" : null;
  }

  /** The last of the room is for writers that have less than an even share, were there one more of them. */
  #isFullFor(writer: bigint, more: number): boolean {
    const { bytes, writers } = this.store;
    const { maxBytes } = this.#o;
    if (bytes + more <= maxBytes * SHARED_FROM) return false;
    if (bytes + more > maxBytes) return true;
    const own = writers.of(writer);
    const count = writers.size + (own.count === 0 ? 1 : 0);
    return own.bytes + more > maxBytes / (count + 1);
  }

  #merge(record: MeshRecord): void {
    const isGone = record.expiry !== 0 && record.expiry <= this.#ring.time;
    if (isGone && record.class === "soft") return;
    if (!this.store.put(record)) return;
    if (record.class === "durable") this.disk.put(record);
    this.onChange(record);
  }

  /** Ends what has expired. */
  #sweep(): void {
    const ring = this.#ring;
    ring.timers.at(ring.now + SWEEP_MS, () => this.#sweep());
    ring.lookAtClock();
    for (const record of this.store.expired(ring.time)) {
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
