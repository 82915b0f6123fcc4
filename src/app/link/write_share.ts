/** Bytes that streams may write in their turn however little the packets are that wait as well. */
const LEAST = 16 * 1024;

/** Most bytes of packets that streams make up for: a batch of a queue. */
const MOST = 72 * 1024;

/**
 * The shares of packets and streams in a link that is slower than both: they write in turn, and
 * streams write as many bytes as packets did, so that each has half.
 */
export class WriteShare {
  /** Bytes of packets that had to wait, and that streams have not made up for. */
  #packets = 0;

  /** Packets of this size wait for the link. */
  waited(bytes: number): void {
    this.#packets = Math.min(MOST, this.#packets + bytes);
  }

  /** Most bytes for the next write of streams, which is `usual` where no packets wait. */
  most(usual: number): number {
    return this.#packets === 0 ? usual : Math.max(this.#packets, Math.min(usual, LEAST));
  }

  /** Streams have written. */
  wrote(bytes: number): void {
    this.#packets = Math.max(0, this.#packets - bytes);
  }
}
