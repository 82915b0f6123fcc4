import { CHUNK, type ChunkPool, type Piece } from "./chunk_pool.ts";

/** A numbered frame: its header, and the data behind it, which is not copied. */
export interface LoggedFrame {
  readonly head: Uint8Array;
  readonly body: Piece | null;
}

/** Acknowledged frames at the front of the list before it is moved together. */
const COMPACT_AT = 256;

/**
 * Numbered frames of a session, in the order of their numbers, from the first one that the peer has
 * not acknowledged (docs/wire/link-v2.md, "Sessions").
 */
export class SendLog {
  readonly #pool: ChunkPool;
  /** Number of the first frame that is kept. */
  #base = 0;
  #frames: LoggedFrame[] = [];
  /** Acknowledged frames that are still at the front of `#frames`. */
  #gone = 0;
  /** Bytes of the frames that are kept, and of the memory that they lie in. */
  bytes = 0;
  memory = 0;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  get base(): number {
    return this.#base;
  }

  /** Number of the next new frame. */
  get end(): number {
    return this.#base + this.#frames.length - this.#gone;
  }

  append(frame: LoggedFrame): void {
    this.#frames.push(frame);
    const size = sizeOf(frame);
    const chunk = frame.body?.chunk ?? null;
    this.bytes += size;
    if (chunk === null) this.memory += size;
    else this.memory += frame.head.length + (chunk.frames++ === 0 ? CHUNK : 0);
  }

  #drop(frame: LoggedFrame): void {
    const size = sizeOf(frame);
    const chunk = frame.body?.chunk ?? null;
    this.bytes -= size;
    if (chunk === null) this.memory -= size;
    else this.memory -= frame.head.length + (--chunk.frames === 0 ? CHUNK : 0);
    if (frame.body !== null) this.#pool.release(frame.body);
  }

  /** `number` is from `base` to below `end`. */
  at(number: number): LoggedFrame {
    return this.#frames[number - this.#base + this.#gone]!;
  }

  /** Drops the frames below `next`; false if so many were never sent. */
  acknowledge(next: number): boolean {
    if (next > this.end) return false;
    for (; this.#base < next; this.#base++) {
      this.#drop(this.#frames[this.#gone]!);
      this.#frames[this.#gone++] = NOTHING;
    }
    if (this.#gone === this.#frames.length) {
      this.#frames.length = 0;
      this.#gone = 0;
    } else if (this.#gone >= COMPACT_AT && this.#gone * 2 >= this.#frames.length) {
      this.#frames = this.#frames.slice(this.#gone);
      this.#gone = 0;
    }
    return true;
  }

  /** Drops all of them; none is sent any more. */
  clear(): void {
    this.acknowledge(this.end);
  }
}

/** Stands for a frame that is gone, so that its bytes are free. */
const NOTHING: LoggedFrame = { head: new Uint8Array(), body: null };

export function sizeOf({ head, body }: LoggedFrame): number {
  return head.length + (body === null ? 0 : body.bytes.length);
}
