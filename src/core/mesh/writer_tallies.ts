import { type MeshRecord, sizeOf } from "./record.ts";

/** The part that a writer has of some records. */
export interface Tally {
  readonly count: number;
  readonly bytes: number;
}

const NOTHING: Tally = { count: 0, bytes: 0 };

/** Records and bytes of each writer, by the writers of the versions that are held. */
export class WriterTallies {
  readonly #tallies = new Map<bigint, { count: number; bytes: number }>();

  /** How many writers have something. */
  get size(): number {
    return this.#tallies.size;
  }

  of(writer: bigint): Tally {
    return this.#tallies.get(writer) ?? NOTHING;
  }

  /** Counts one record in the place of another one. */
  exchange(before: MeshRecord | undefined, after: MeshRecord | undefined): void {
    if (before !== undefined && before.version.writer === after?.version.writer) {
      this.#tallies.get(before.version.writer)!.bytes += sizeOf(after) - sizeOf(before);
      return;
    }
    if (after !== undefined) this.#add(after, 1);
    if (before !== undefined) this.#add(before, -1);
  }

  #add(record: MeshRecord, sign: 1 | -1): void {
    const { writer } = record.version;
    let tally = this.#tallies.get(writer);
    if (tally === undefined) this.#tallies.set(writer, tally = { count: 0, bytes: 0 });
    tally.count += sign;
    tally.bytes += sign * sizeOf(record);
    if (tally.count === 0) this.#tallies.delete(writer);
  }
}
