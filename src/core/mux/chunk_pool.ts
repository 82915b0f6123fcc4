/** Bytes of a chunk: the data of the longest frame. */
export const CHUNK = 56 * 1024;

/** Bytes that are worth a chunk of their own: what they leave of it is lost meanwhile. */
export const LEAST_OF_CHUNK = CHUNK * 7 / 8;

/** Chunks that are kept for later while others are in use. */
const MOST_FREE = 64;

/** Memory for the bytes of one stream. */
export class Chunk {
  readonly bytes: Uint8Array = new Uint8Array(CHUNK);
  /** Pieces that lie in it; the pool's. */
  users = 0;
  /** Those of them that are frames in a log; the log's. */
  frames = 0;
}

/** Bytes in memory of their own, or in a chunk, which they are a user of. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly chunk: Chunk | null;
}

/**
 * Memory that bulk bytes pass through, used again and again: a new array for each write costs more
 * than the copy into it. Nothing is kept but the next chunk when nobody has any.
 */
export class ChunkPool {
  #free: Chunk[] = [];
  #next: Chunk | null = null;
  #used = 0;

  /** Chunks that have users. */
  get used(): number {
    return this.#used;
  }

  /** Bytes that the next `take` takes some of; anybody's until then. */
  get next(): Uint8Array {
    return (this.#next ??= this.#free.pop() ?? new Chunk()).bytes;
  }

  /** Takes the first bytes of `next`; `release` when they are not needed any more. */
  take(size: number): Piece {
    const { next } = this;
    const chunk = this.#next!;
    this.#next = null;
    this.#used++;
    chunk.users = 1;
    return { bytes: size === CHUNK ? next : next.subarray(0, size), chunk };
  }

  /** The piece's bytes are not read any more. */
  release({ chunk }: Piece): void {
    if (chunk === null || --chunk.users > 0) return;
    if (--this.#used === 0) this.#free = [];
    else if (this.#free.length < MOST_FREE) this.#free.push(chunk);
  }
}
