import type { CoreBatch, CoreChanges, CoreRow, CoreState } from "../../../contract/mesh_disk.ts";
import { KeyOrder } from "./key_order.ts";
import { ROW_BYTES } from "./limits.ts";

export interface LiveSession {
  ttlMs: number;
  /** When it ends unless it is renewed, by the core's clock. */
  until: number;
  readonly keys: Set<string>;
}

/** Copy in memory of everything that is on the disk of the core. */
export class CoreTable {
  readonly #rows = new Map<string, CoreRow>();
  readonly #order: KeyOrder;
  /** When keys with a time to live vanish. */
  readonly #until = new Map<string, number>();
  readonly sessions = new Map<string, LiveSession>();
  /** Revisions of writes that were made, by the ids of their requests, oldest first. */
  readonly done = new Map<string, number>();
  revision: number;
  bytes = 0;

  /** Every session and every key gets its full time again. */
  constructor(state: Omit<CoreState, keyof CoreChanges>, nowMs: number) {
    this.#order = new KeyOrder(state.rows.map(({ key }) => key));
    this.revision = state.revision;
    for (const { id, ttlMs } of state.sessions) this.#addSession(id, ttlMs, nowMs);
    for (const row of state.rows) this.#put(row, nowMs);
    for (const { id, rev } of state.done) this.done.set(id, rev);
  }

  get size(): number {
    return this.#rows.size;
  }

  get(key: string): CoreRow | undefined {
    return this.#rows.get(key);
  }

  /** When a key vanishes by itself, or undefined. */
  untilOf(key: string): number | undefined {
    return this.#until.get(key);
  }

  range(prefix: string, after: string | undefined, limit: number): CoreRow[] {
    return this.#order.range(prefix, after, limit).map((key) => this.#rows.get(key)!);
  }

  /** Takes over what is on the disk now. */
  apply(batch: CoreBatch, nowMs: number): void {
    this.revision = batch.revision;
    for (const { id, ttlMs } of batch.sessions) this.#addSession(id, ttlMs, nowMs);
    for (const key of batch.deleted) this.#delete(key);
    for (const row of batch.rows) {
      this.#order.add(row.key);
      this.#put(row, nowMs);
    }
    for (const id of batch.endedSessions) this.sessions.delete(id);
    for (const { id, rev } of batch.done) this.done.set(id, rev);
    for (const id of batch.forgotten) this.done.delete(id);
  }

  snapshot(epoch: number): Omit<CoreState, keyof CoreChanges> {
    return {
      epoch,
      revision: this.revision,
      rows: this.range("", undefined, Infinity),
      sessions: [...this.sessions].map(([id, { ttlMs }]) => ({ id, ttlMs })),
      done: [...this.done].map(([id, rev]) => ({ id, rev })),
    };
  }

  #addSession(id: string, ttlMs: number, nowMs: number): void {
    this.sessions.set(id, { ttlMs, until: nowMs + ttlMs, keys: new Set() });
  }

  #put(row: CoreRow, nowMs: number): void {
    this.#clear(row.key);
    this.#rows.set(row.key, row);
    this.bytes += sizeOf(row);
    if (row.ttlMs > 0) this.#until.set(row.key, nowMs + row.ttlMs);
    this.sessions.get(row.session)?.keys.add(row.key);
  }

  #delete(key: string): void {
    this.#clear(key);
    this.#rows.delete(key);
    this.#order.remove(key);
  }

  #clear(key: string): void {
    const old = this.#rows.get(key);
    if (old === undefined) return;
    this.bytes -= sizeOf(old);
    this.#until.delete(key);
    this.sessions.get(old.session)?.keys.delete(key);
  }
}

export function sizeOf({ key, value }: CoreRow): number {
  return key.length + value.length + ROW_BYTES;
}
