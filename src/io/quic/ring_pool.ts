/** Bytes of the rings of one stream, of which there may be a hundred on each connection. */
const INCOMING = 64 * 1024;
const OUTGOING = 128 * 1024;
/** Pairs that are kept while nobody uses them. */
const MOST_KEPT = 64;

export interface RingPair {
  readonly incoming: SharedArrayBuffer;
  readonly outgoing: SharedArrayBuffer;
}

/** Memory of rings for streams that come and go: making it for each costs more than a small request. */
export class RingPool {
  readonly #kept: RingPair[] = [];

  take(): RingPair {
    return this.#kept.pop() ?? {
      incoming: new SharedArrayBuffer(INCOMING),
      outgoing: new SharedArrayBuffer(OUTGOING),
    };
  }

  give(pair: RingPair): void {
    if (this.#kept.length < MOST_KEPT) this.#kept.push(pair);
  }
}
