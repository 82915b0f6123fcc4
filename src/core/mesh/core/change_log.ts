import type { CoreBatch, CoreChange, CoreChanges } from "../../../contract/mesh_disk.ts";
import { ROW_BYTES } from "./limits.ts";

/** Changes that are kept for watches, and the bytes of their values. */
const MAX_CHANGES = 100_000;
const MAX_BYTES = 64 << 20;

/** Changes that one commit takes from the disk. */
const MAX_FORGOTTEN = 1000;

/** The last changes of a core, in their order. */
export class ChangeLog {
  readonly #changes: CoreChange[] = [];
  /** Changes before this index are forgotten; they are cut off now and then. */
  #start = 0;
  #bytes = 0;
  /** The newest revision of which changes may be missing. */
  #floor: number;
  /** Changes that are still on the disk, and are to go from there. */
  readonly #forgotten: CoreBatch["forgottenChanges"] = [];
  /** Changes up to this revision are still to come; null = all are here. */
  #missingUpTo: number | null;

  /** `missingUpTo`: the changes up to this revision come later, by `complete`. */
  constructor(
    { floor, changes }: CoreChanges,
    missingUpTo: number | null = null,
  ) {
    this.#floor = floor;
    this.#missingUpTo = missingUpTo;
    this.#take(changes);
  }

  /** True while changes after `from` are still to come. */
  lacks(from: number): boolean {
    return this.#missingUpTo !== null && from < this.#missingUpTo;
  }

  /** Takes the changes that were missing, oldest first: those after `floor`. */
  complete({ floor, changes }: CoreChanges): void {
    const newer = this.all();
    this.#changes.length = 0;
    this.#start = 0;
    this.#bytes = 0;
    this.#floor = floor;
    this.#missingUpTo = null;
    this.#take(changes);
    for (const change of newer) this.add(change);
  }

  #take(changes: readonly CoreChange[]): void {
    for (const change of changes) {
      if (change.rev > this.#floor) this.add(change);
      else this.#forget(change);
    }
  }

  get floor(): number {
    return this.#floor;
  }

  /** All changes that are kept, oldest first. */
  all(): CoreChange[] {
    return this.#changes.slice(this.#start);
  }

  /** Changes that the next commit takes from the disk; `forgotten` tells that it has. */
  toForget(): CoreBatch["forgottenChanges"] {
    return this.#forgotten.slice(0, MAX_FORGOTTEN);
  }

  forgotten(count: number): void {
    this.#forgotten.splice(0, count);
  }

  add(change: CoreChange): void {
    this.#changes.push(change);
    this.#bytes += change.row?.value.length ?? 0;
    if (this.#missingUpTo !== null) return; // the oldest are not here, and go first
    while (this.#changes.length - this.#start > MAX_CHANGES || this.#bytes > MAX_BYTES) {
      const oldest = this.#changes[this.#start++]!;
      this.#bytes -= oldest.row?.value.length ?? 0;
      this.#floor = oldest.rev;
      this.#forget(oldest);
    }
    if (this.#start > MAX_CHANGES / 2) {
      this.#changes.splice(0, this.#start);
      this.#start = 0;
    }
  }

  /**
   * Changes of keys with `prefix` after revision `from`, whole revisions, some `limit` of them, or
   * null if some are forgotten. `upTo` is the revision that was reached.
   */
  since(
    from: number,
    prefix: string,
    limit: number,
    maxBytes: number,
  ): { changes: CoreChange[]; upTo: number } | null {
    if (from < this.#floor || this.lacks(from)) return null;
    const changes: CoreChange[] = [];
    let bytes = 0;
    let upTo = from;
    for (let at = this.#firstAfter(from); at < this.#changes.length; at++) {
      const change = this.#changes[at]!;
      if (change.rev !== upTo && (changes.length >= limit || bytes > maxBytes)) break;
      upTo = change.rev;
      if (!change.key.startsWith(prefix)) continue;
      changes.push(change);
      bytes += ROW_BYTES + change.key.length + (change.row?.value.length ?? 0);
    }
    return { changes, upTo };
  }

  #forget({ rev, key }: CoreChange): void {
    this.#forgotten.push({ rev, key });
  }

  #firstAfter(rev: number): number {
    let low = this.#start;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#changes[middle]!.rev <= rev) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
