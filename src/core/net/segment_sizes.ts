/** Time to keep a size; later a larger one is tried again, for paths change. */
export const KEEP_MS = 3_600_000;

/** Most paths; beyond that the oldest entry is forgotten. */
const MOST = 1024;

/** Keeps segment sizes that have passed; the caller names paths. */
export class SegmentSizes {
  readonly #sizes = new Map<string, { size: number; until: number }>();

  /** Returns undefined where nothing is known. */
  get(path: string, now: number): number | undefined {
    const found = this.#sizes.get(path);
    if (found === undefined) return undefined;
    if (now < found.until) return found.size;
    this.#sizes.delete(path);
    return undefined;
  }

  /** Sets a path's size; without one the path is forgotten. */
  set(path: string, size: number | undefined, now: number, keepMs = KEEP_MS): void {
    this.#sizes.delete(path); // to the end of the order
    if (size === undefined) return;
    if (this.#sizes.size >= MOST) this.#sizes.delete(this.#sizes.keys().next().value!);
    this.#sizes.set(path, { size, until: now + keepMs });
  }
}
