import { hlcOfMs, RESERVED_MS } from "../../src/core/mesh/hybrid_clock.ts";
import type { MeshRecord } from "../../src/core/mesh/record.ts";
import { joinKey } from "../../src/core/mesh/record.ts";
import { rowsOf } from "../../src/core/mesh/ring_rows.ts";
import { isSum, rowSum } from "../../src/io/mesh/row_sum.ts";
import type { SqlValue } from "../../src/io/mesh/sqlite_messages.ts";
import type { RememberedPeer, RingBatch, RingImage } from "../../src/core/mesh/ring_disk.ts";

/** The disk of a simulated node: batches that have been synced, and those that are on their way. */
export class SimulatedDisk {
  /** Milliseconds that a commit takes. */
  latency = 2;
  isFull = false;
  #records = new Map<string, MeshRecord>();
  #reservedHlc = 0n;
  #peers: readonly RememberedPeer[] = [];
  #place: number | null = null;
  #ready = { since: 0, until: 0 };
  /** Rows of which bits have flipped, with the sums that were written beside them. */
  #rotten: { readonly row: SqlValue[]; readonly sum: Uint8Array }[] = [];
  /** Batches that were given and not confirmed: a crash loses any of the last. */
  #unsynced: RingBatch[] = [];

  begin(batch: RingBatch): void {
    this.#unsynced.push(batch);
  }

  /** The oldest batch is on the disk now. Returns false where the disk is full. */
  finish(): boolean {
    const batch = this.#unsynced.shift();
    if (batch === undefined) return false;
    if (this.isFull && batch.put.length > 0) return false;
    this.#apply(batch);
    return true;
  }

  /** The power fails: a first part of what was on its way is there, the rest is not. */
  crash(random: () => number): void {
    const kept = Math.floor(random() * (this.#unsynced.length + 1));
    for (const batch of this.#unsynced.slice(0, kept)) if (!this.isFull) this.#apply(batch);
    this.#unsynced = [];
  }

  /** All is lost. */
  wipe(): void {
    this.#records.clear();
    this.#reservedHlc = 0n;
    this.#peers = [];
    this.#place = null;
    this.#ready = { since: 0, until: 0 };
    this.#rotten = [];
    this.#unsynced = [];
  }

  /** Bits rot: of some rows one has flipped. */
  rot(random: () => number): void {
    const pick = (most: number) => Math.floor(random() * most);
    const { put } = rowsOf({ put: [...this.#records.values()], remove: [] });
    for (let i = 0; i < 3 && put.length > 0; i++) {
      const { bucket, child, value, version, expiry, isTombstone } = put[pick(put.length)]!;
      const row: SqlValue[] = [bucket, child, value, version, expiry, isTombstone ? 1 : 0];
      const sum = rowSum("ring", row);
      const bytes = [value.slice(), version.slice(), sum.slice()];
      const damaged = bytes.filter(({ length }) => length > 0);
      const one = damaged[pick(damaged.length)]!;
      one[pick(one.length)]! ^= 1 << pick(8);
      const [newValue, newVersion, newSum] = bytes as [Uint8Array, Uint8Array, Uint8Array];
      row[2] = newValue;
      row[3] = newVersion;
      this.#rotten.push({ row, sum: newSum });
    }
  }

  /** Returns what a process finds that starts at `nowMs`; a damaged table is thrown away. */
  load(nowMs: number, hasRun: boolean): RingImage {
    const isDamaged = this.#rotten.some(({ row, sum }) => !isSum(sum, rowSum("ring", row)));
    if (this.#rotten.length > 0 && !isDamaged) throw new Error("A flipped bit was not found");
    if (isDamaged) this.#records.clear();
    this.#rotten = [];
    const isLost = this.#reservedHlc === 0n && hasRun;
    return {
      records: [...this.#records.values()],
      reservedHlc: isLost ? hlcOfMs(nowMs + RESERVED_MS) : this.#reservedHlc,
      peers: this.#peers,
      place: this.#place,
      ready: this.#ready,
    };
  }

  get(key: string): MeshRecord | undefined {
    return this.#records.get(key);
  }

  /** Returns a copy of all that is there, to be put back later. */
  copy(): () => void {
    const records = new Map(this.#records);
    const [peers, place, ready] = [this.#peers, this.#place, this.#ready];
    return () => {
      this.#records = new Map(records);
      this.#peers = peers;
      this.#place = place;
      this.#ready = ready;
      this.#rotten = [];
      // The reservation is not put back: an old copy of a disk is taken with a newer one's number.
      this.#unsynced = [];
    };
  }

  #apply(batch: RingBatch): void {
    for (const record of batch.put) this.#records.set(joinKey(record), record);
    for (const name of batch.remove) this.#records.delete(joinKey(name));
    if (batch.reservedHlc !== undefined) this.#reservedHlc = batch.reservedHlc;
    if (batch.peers !== undefined) this.#peers = batch.peers;
    if (batch.place !== undefined) this.#place = batch.place;
    if (batch.ready !== undefined) this.#ready = batch.ready;
  }
}
