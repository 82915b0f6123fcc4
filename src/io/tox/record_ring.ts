/** Places of the positions in the memory's first numbers, and how many numbers there are. */
const WRITTEN = 0;
const READ = 1;
const NUMBERS = 2;
const FRONT = NUMBERS * 4;

/** Bytes before those of a record: their count, the kind and the friend, u32 each. */
export const RECORD_HEADER = 12;

/** One record, as it was written. */
export interface RingRecord {
  readonly kind: number;
  /** 0 where it is of none. */
  readonly friend: number;
  /** Valid until the next one is read. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Returns memory for a ring of so many bytes, a power of two. */
export function ringMemory(size: number): SharedArrayBuffer {
  return new SharedArrayBuffer(FRONT + size);
}

/**
 * Records in memory that two threads share, one of which writes and one of which reads. Positions
 * count all bytes that ever went through, modulo 2^32; records begin at multiples of four bytes.
 */
export class RecordRing {
  readonly #positions: Int32Array;
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #size: number;
  /** Holds the record that was read last. */
  #lent = new Uint8Array(0);

  constructor(memory: SharedArrayBuffer) {
    this.#positions = new Int32Array(memory, 0, NUMBERS);
    this.#words = new Uint32Array(memory, FRONT);
    this.#bytes = new Uint8Array(memory, FRONT);
    this.#size = this.#bytes.length;
  }

  /** Bytes that can be written, headers included. */
  get room(): number {
    return this.#size - this.#used();
  }

  get isEmpty(): boolean {
    return this.#used() === 0;
  }

  /** Copies a record in, whose bytes are those of all `parts`. False = there is no room for it. */
  write(kind: number, friend: number, ...parts: readonly Uint8Array[]): boolean {
    let length = 0;
    for (const part of parts) length += part.length;
    const whole = RECORD_HEADER + aligned(length);
    if (whole > this.room) return false;
    const begin = this.#positions[WRITTEN]!;
    this.#setWord(begin, length);
    this.#setWord(begin + 4, kind);
    this.#setWord(begin + 8, friend);
    let at = begin + RECORD_HEADER;
    for (const part of parts) {
      this.#copyIn(at, part);
      at += part.length;
    }
    // The reader that sees the position sees all that was written before it.
    Atomics.store(this.#positions, WRITTEN, begin + whole | 0);
    return true;
  }

  /** Returns the oldest record, which is taken out; null = there is none. */
  read(): RingRecord | null {
    const begin = this.#positions[READ]!;
    if (Atomics.load(this.#positions, WRITTEN) === begin) return null;
    const length = this.#word(begin);
    const record = {
      kind: this.#word(begin + 4),
      friend: this.#word(begin + 8),
      bytes: this.#copyOut(begin + RECORD_HEADER, length),
    };
    Atomics.store(this.#positions, READ, begin + RECORD_HEADER + aligned(length) | 0);
    return record;
  }

  #used(): number {
    const [written, read] = [
      Atomics.load(this.#positions, WRITTEN),
      Atomics.load(this.#positions, READ),
    ];
    return (written - read) >>> 0;
  }

  #setWord(at: number, value: number): void {
    this.#words[(at & this.#size - 1) >>> 2] = value;
  }

  #word(at: number): number {
    return this.#words[(at & this.#size - 1) >>> 2]!;
  }

  #copyIn(position: number, bytes: Uint8Array): void {
    const at = position & this.#size - 1;
    const first = this.#size - at;
    if (bytes.length <= first) return this.#bytes.set(bytes, at);
    this.#bytes.set(bytes.subarray(0, first), at);
    this.#bytes.set(bytes.subarray(first), 0);
  }

  #copyOut(position: number, length: number): Uint8Array<ArrayBuffer> {
    const at = position & this.#size - 1;
    const first = Math.min(length, this.#size - at);
    if (length > this.#lent.length) this.#lent = new Uint8Array(length);
    this.#lent.set(this.#bytes.subarray(at, at + first));
    if (first < length) this.#lent.set(this.#bytes.subarray(0, length - first), first);
    return this.#lent.subarray(0, length);
  }
}

function aligned(length: number): number {
  return length + 3 & ~3;
}
