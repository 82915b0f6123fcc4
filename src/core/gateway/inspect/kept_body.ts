import { concat } from "../../../base/bytes.ts";

/** The beginning of a body, up to a limit, and the length of all of it. */
export class KeptBody {
  readonly #limit: number;
  readonly #parts: Uint8Array[] = [];
  #kept = 0;
  #total = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes of memory. */
  get kept(): number {
    return this.#kept;
  }

  /** Bytes that have come. */
  get total(): number {
    return this.#total;
  }

  /** Nothing of it is missing. */
  get isWhole(): boolean {
    return this.#kept === this.#total;
  }

  /** Takes more of it, borrowed for the call. Returns how many bytes were kept. */
  take(bytes: Uint8Array): number {
    const fits = this.isWhole ? Math.min(bytes.length, this.#limit - this.#kept) : 0;
    this.#total += bytes.length;
    if (fits === 0) return 0;
    this.#kept += fits;
    const last = this.#parts.at(-1);
    // A body that comes byte by byte has no array for each.
    if (last !== undefined && last.length < SMALL) {
      this.#parts[this.#parts.length - 1] = concat(last, bytes.subarray(0, fits));
    } else this.#parts.push(bytes.slice(0, fits));
    return fits;
  }

  bytes(): Uint8Array {
    return concat(...this.#parts);
  }
}

/** Bytes up to which a piece is joined with the next one. */
const SMALL = 1024;
