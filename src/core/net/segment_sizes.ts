/** How long a size is kept for a path; later a larger one is tried again, for paths change. */
export const KEEP_MS = 3_600_000;

/** Most paths that are remembered; the oldest entry is forgotten. */
const MOST = 1024;

/** Segment sizes that have passed, for each path. Paths are named by whoever asks. */
export class SegmentSizes {
  readonly #sizes = new Map<string, { size: number; until: number }>();

  /** undefined = nothing is known. */
  get(path: string, now: number): number | undefined {
    const found = this.#sizes.get(path);
    if (found === undefined) return undefined;
    if (now < found.until) return found.size;
    this.#sizes.delete(path);
    return undefined;
  }

  /** Without a size all is forgotten that is known of the path. */
  set(path: string, size: number | undefined, now: number, keepMs = KEEP_MS): void {
    this.#sizes.delete(path); // to the end of the order
    if (size === undefined) return;
    if (this.#sizes.size >= MOST) this.#sizes.delete(this.#sizes.keys().next().value!);
    this.#sizes.set(path, { size, until: now + keepMs });
  }
}
