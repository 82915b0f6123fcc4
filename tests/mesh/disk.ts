import type { MeshRecord } from "../../src/core/mesh/record.ts";
import { joinKey } from "../../src/core/mesh/record.ts";
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
    this.#unsynced = [];
  }

  /** Bits rot: the damaged table of records is thrown away at the next start. */
  rot(): void {
    this.#records.clear();
  }

  load(): RingImage {
    return {
      records: [...this.#records.values()],
      reservedHlc: this.#reservedHlc,
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
    const image = this.load();
    return () => {
      this.#records = new Map(image.records.map((record) => [joinKey(record), record]));
      this.#peers = image.peers;
      this.#place = image.place;
      this.#ready = image.ready;
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
