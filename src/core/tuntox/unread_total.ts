/** Bytes of one friend that have come and wait for readers. */
export interface UnreadHolder {
  /** Ends the tunnel of which most waits. */
  endSlowest(): void;
}

/**
 * Limits what waits for readers in the tunnels of all friends together. The wire has no flow control,
 * so that nothing can be held back: the friend with most loses the tunnel of which most waits, and
 * those with little never lose one for it.
 */
export class UnreadTotal {
  readonly #most: number;
  readonly #holders = new Map<UnreadHolder, number>();
  #bytes = 0;

  /** `most`: bytes. */
  constructor(most: number) {
    this.#most = most;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes how much a friend has now. If all have too much, one loses a tunnel. */
  set(holder: UnreadHolder, bytes: number): void {
    const change = bytes - (this.#holders.get(holder) ?? 0);
    this.#bytes += change;
    if (bytes > 0) this.#holders.set(holder, bytes);
    else this.#holders.delete(holder);
    while (change > 0 && this.#bytes > this.#most) {
      const before = this.#bytes;
      this.#largest().endSlowest();
      if (this.#bytes >= before) return; // nothing of it could be ended
    }
  }

  #largest(): UnreadHolder {
    const all = [...this.#holders];
    return all.reduce((a, b) => a[1] >= b[1] ? a : b)[0];
  }
}
