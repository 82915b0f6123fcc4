/** Requests of one node that may be open at another one; the next one is refused as `busy`. */
export const MOST_OPEN = 256;

/** Milliseconds after which a request that nobody has answered counts as over. */
const FORGOTTEN_MS = 60_000;

/** Requests of another node that this one has not answered yet. Times are milliseconds. */
export class OpenRequests {
  /** When each came, by its number; the oldest first. */
  readonly #since = new Map<number, number>();

  get count(): number {
    return this.#since.size;
  }

  /** Returns false for one that is too many. A number that is used again is one request. */
  take(request: number, now: number): boolean {
    if (this.#since.size >= MOST_OPEN) this.#forget(now);
    this.#since.delete(request);
    if (this.#since.size >= MOST_OPEN) return false;
    this.#since.set(request, now);
    return true;
  }

  /** It is answered. */
  answered(request: number): void {
    this.#since.delete(request);
  }

  #forget(now: number): void {
    for (const [request, since] of this.#since) {
      if (now - since < FORGOTTEN_MS) return;
      this.#since.delete(request);
    }
  }
}
