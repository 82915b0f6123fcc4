import type { MeshRecord } from "./record.ts";
import { joinKey } from "./record.ts";
import { MAX_BATCH, type RingBatch } from "./ring_disk.ts";
import type { RingContext } from "./ring_context.ts";

/** After a failure the disk is tried again this often. */
const AGAIN_MS = 1000;

/** Called when what was given is on the disk, or cannot be written now. */
export type OnStored = (isGood: boolean) => void;

type Extra = Omit<RingBatch, "put" | "remove">;

/**
 * Writes of a node, many in one commit: one batch is on its way while the next one gathers. Records
 * that the disk refused are tried again until it takes them.
 */
export class DiskQueue {
  readonly #ring: RingContext;
  /** Newest state by key: null for a record that is not kept any longer. */
  #pending = new Map<string, { record: MeshRecord; isKept: boolean }>();
  #extra: Extra = {};
  #waiting: OnStored[] = [];
  #inFlight: {
    token: number;
    records: Map<string, { record: MeshRecord; isKept: boolean }>;
    extra: Extra;
    waiting: OnStored[];
  } | null = null;
  #token = 0;
  #isPausing = false;
  /** True while the disk refuses. */
  isFull = false;

  constructor(ring: RingContext) {
    this.#ring = ring;
  }

  put(record: MeshRecord): void {
    this.#pending.set(joinKey(record), { record, isKept: true });
    this.#flush();
  }

  remove(record: MeshRecord): void {
    this.#pending.set(joinKey(record), { record, isKept: false });
    this.#flush();
  }

  /** Writes something beside the records. */
  write(extra: Extra, onStored?: OnStored): void {
    this.#extra = { ...this.#extra, ...extra };
    if (onStored !== undefined) this.#waiting.push(onStored);
    this.#flush();
  }

  /** Calls back when all that was given so far is on the disk, or at once when nothing waits. */
  whenStored(run: OnStored): void {
    if (this.#pending.size > 0 || this.#waiting.length > 0) this.#waiting.push(run);
    else if (this.#inFlight !== null) this.#inFlight.waiting.push(run);
    else run(true);
  }

  /** A batch is on the disk, or was refused. */
  stored(token: number, isGood: boolean): void {
    const batch = this.#inFlight;
    if (batch === null || batch.token !== token) return;
    this.#inFlight = null;
    if (isGood !== !this.isFull) {
      this.isFull = !isGood;
      this.#ring.tell({ name: "disk", isFull: this.isFull });
    }
    if (!isGood) {
      // Newer states stay; what was refused comes before them.
      this.#pending = new Map([...batch.records, ...this.#pending]);
      this.#pause();
    }
    for (const run of batch.waiting) run(isGood);
    this.#flush();
  }

  #pause(): void {
    this.#isPausing = true;
    this.#ring.timers.at(this.#ring.now + AGAIN_MS, () => {
      this.#isPausing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#inFlight !== null) return;
    if (this.#isPausing) {
      // While the disk refuses nobody waits for it.
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const run of waiting) run(false);
      return;
    }
    const hasExtra = Object.keys(this.#extra).length > 0;
    if (this.#pending.size === 0 && !hasExtra && this.#waiting.length === 0) return;
    const records = new Map([...this.#pending].slice(0, MAX_BATCH));
    for (const key of records.keys()) this.#pending.delete(key);
    const token = ++this.#token;
    // Those who wait for what is behind this batch wait for the next one.
    const waiting = this.#pending.size === 0 ? this.#waiting.splice(0) : [];
    this.#inFlight = { token, records, extra: this.#extra, waiting };
    this.#extra = {};
    const put: MeshRecord[] = [];
    const remove: MeshRecord[] = [];
    for (const { record, isKept } of records.values()) (isKept ? put : remove).push(record);
    const batch: RingBatch = { put, remove, ...this.#inFlight.extra };
    this.#ring.steps.push({ type: "store", batch, token });
  }
}
