import { copyBytes } from "../../base/small_alloc.ts";
import { CHUNK, type Chunk, type ChunkPool, LEAST_OF_CHUNK, type Piece } from "./chunk_pool.ts";

/** Writes up to this size are joined, so that many small ones take no more memory than one. */
const JOINED = 2048;

/** Bytes in the order in which they came. */
export class ByteQueue {
  readonly #pool: ChunkPool;
  #pieces: Piece[] = [];
  /** Index of the first piece. */
  #first = 0;
  /** Memory that the last piece lies in, and up to where it is used; null = it has no room left. */
  #block: Uint8Array | null = null;
  #used = 0;
  length = 0;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  /** Copies `bytes`. */
  push(bytes: Uint8Array): void {
    const last = this.length === 0 ? undefined : this.#pieces.at(-1)!;
    if (last?.chunk === null) {
      const joined = this.#join(last.bytes, bytes);
      if (joined !== null) return this.#replaceLast(joined, bytes.length);
    } else if (last !== undefined) {
      const { bytes: before, chunk } = last;
      const longer = extend(before, chunk!, bytes);
      const size = longer.length - before.length;
      this.#replaceLast({ bytes: longer, chunk }, size);
      bytes = bytes.subarray(size);
    }
    this.#block = null;
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const part = bytes.subarray(at, at + CHUNK);
      this.length += part.length;
      this.#pieces.push(this.#copy(part));
    }
  }

  #replaceLast(piece: Piece, more: number): void {
    this.#pieces[this.#pieces.length - 1] = piece;
    this.length += more;
  }

  /** A queue that is short has no chunk, of which it would leave most. */
  #copy(bytes: Uint8Array): Piece {
    if (this.length < LEAST_OF_CHUNK) {
      const copy = bytes.length < JOINED ? copyBytes(bytes) : new Uint8Array(bytes);
      return { bytes: copy, chunk: null };
    }
    this.#pool.next.set(bytes);
    return this.#pool.take(bytes.length);
  }

  /** Appends the first `size` bytes of the pool's next chunk, which are copied where they are few. */
  commit(size: number): void {
    if (size < LEAST_OF_CHUNK) return this.push(this.#pool.next.subarray(0, size));
    this.length += size;
    this.#block = null;
    this.#pieces.push(this.#pool.take(size));
  }

  /** Returns both, one behind the other, if they are few; `last` is the last piece. */
  #join(last: Uint8Array, bytes: Uint8Array): Piece | null {
    const size = last.length + bytes.length;
    if (size > JOINED) return null;
    if (this.#block === null || this.#used + bytes.length > this.#block.length) {
      this.#block = new Uint8Array(Math.min(2 * size, JOINED));
      this.#block.set(last);
      this.#used = last.length;
    }
    this.#block.set(bytes, this.#used);
    this.#used += bytes.length;
    return { bytes: this.#block.subarray(this.#used - size, this.#used), chunk: null };
  }

  /** The first bytes that lie together; there is at least one. Valid until they are taken. */
  get first(): Uint8Array {
    return this.#pieces[this.#first]!.bytes;
  }

  /**
   * Takes up to `most` bytes, at least one if there are any. They never change until the caller
   * releases them to the pool.
   */
  take(most: number): Piece {
    const first = this.#pieces[this.#first]!;
    const { bytes, chunk } = first;
    if (bytes.length <= most) {
      this.#shift(bytes.length);
      return first;
    }
    if (chunk !== null) chunk.users++;
    this.#pieces[this.#first] = { bytes: bytes.subarray(most), chunk };
    this.length -= most;
    return { bytes: bytes.subarray(0, most), chunk };
  }

  /** Copies to the front of `into`; returns how many bytes. */
  read(into: Uint8Array): number {
    let done = 0;
    while (done < into.length && this.length > 0) {
      const part = this.take(into.length - done);
      into.set(part.bytes, done);
      done += part.bytes.length;
      this.#pool.release(part);
    }
    return done;
  }

  /** Drops the first `size` bytes. */
  consume(size: number): void {
    while (size > 0) {
      const part = this.take(size);
      size -= part.bytes.length;
      this.#pool.release(part);
    }
  }

  clear(): void {
    for (let i = this.#first; i < this.#pieces.length; i++) this.#pool.release(this.#pieces[i]!);
    this.#forget();
  }

  #forget(): void {
    this.#pieces = [];
    this.#first = 0;
    this.#block = null;
    this.length = 0;
  }

  #shift(size: number): void {
    this.length -= size;
    if (this.length === 0) return this.#forget();
    this.#pieces[this.#first++] = NOTHING;
    if (this.#first < 64 || this.#first * 2 < this.#pieces.length) return;
    this.#pieces = this.#pieces.slice(this.#first);
    this.#first = 0;
  }
}

/** Returns `piece` with as many of `bytes` behind it as its chunk has room for. */
function extend(piece: Uint8Array, { bytes: all }: Chunk, bytes: Uint8Array): Uint8Array {
  const from = piece.byteOffset - all.byteOffset;
  const end = from + piece.length;
  const more = bytes.subarray(0, CHUNK - end);
  all.set(more, end);
  return all.subarray(from, end + more.length);
}

const NOTHING: Piece = { bytes: new Uint8Array(), chunk: null };
