import type { CoreRow } from "../../../contract/mesh_disk.ts";
import { ROW_BYTES } from "./limits.ts";

/** A change of one key; `row` is null where it was deleted. */
export interface CoreChange {
  rev: number;
  key: string;
  row: CoreRow | null;
}

/** Changes that are kept for watches, and the bytes of their values. */
const MAX_CHANGES = 100_000;
const MAX_BYTES = 64 << 20;

/** The last changes of a core, in their order. */
export class ChangeLog {
  readonly #changes: CoreChange[] = [];
  /** Changes before this index are forgotten; they are cut off now and then. */
  #start = 0;
  #bytes = 0;
  /** The newest revision of which changes may be missing. */
  #floor: number;

  constructor(revision: number) {
    this.#floor = revision;
  }

  add(change: CoreChange): void {
    this.#changes.push(change);
    this.#bytes += change.row?.value.length ?? 0;
    while (this.#changes.length - this.#start > MAX_CHANGES || this.#bytes > MAX_BYTES) {
      const oldest = this.#changes[this.#start++]!;
      this.#bytes -= oldest.row?.value.length ?? 0;
      this.#floor = oldest.rev;
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
    if (from < this.#floor) return null;
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
