import { isWithin } from "./circle.ts";
import { keptFrom } from "./replicas.ts";
import type { RingContext } from "./ring_context.ts";

/** Milliseconds in which a node has got the records of a range that became its own to keep. */
const FILL_MS = 5000;

/**
 * Ranges that a node has kept of late. It has all records of a range only a while after it began to keep
 * it, as when it calls a slow neighbour dead: before that, a record that it lacks may well exist.
 */
export class KeptRange {
  readonly #ring: RingContext;
  /** Beginnings of the ranges that were kept, and when the next one followed. */
  #past: { readonly from: bigint | null; readonly until: number }[] = [];
  #from: bigint | null;

  constructor(ring: RingContext) {
    this.#ring = ring;
    this.#from = keptFrom(ring);
  }

  /** The node's neighbours have changed. */
  changed(): void {
    const from = keptFrom(this.#ring);
    if (from === this.#from) return;
    const { now } = this.#ring;
    this.#past = this.#past.filter(({ until }) => until > now - FILL_MS);
    this.#past.push({ from: this.#from, until: now });
    this.#from = from;
  }

  /** True if the node has all records of a position. */
  hasAll(position: bigint): boolean {
    this.changed();
    const { now, self } = this.#ring;
    const isIn = (from: bigint | null) => from === null || isWithin(from, position, self.position);
    return isIn(this.#from) &&
      this.#past.every(({ from, until }) => until <= now - FILL_MS || isIn(from));
  }
}
