import { RECORD_HEADER, RECORD_TAG } from "../../core/link/v2/record.ts";

/** Bytes of text in a record of streams: two turns of data, and what goes beside them. */
export const RECORD_TEXT = 36 * 1024;

/** Records that are written at once. */
const RECORDS = 4;

const SIZE = RECORDS * (RECORD_HEADER + RECORD_TEXT + RECORD_TAG);

/** Buffers that are kept for later; more are needed only while so many writes wait. */
const KEPT = 4;

/** Buffers for records on their way out, which carriers borrow while they write. */
export class RecordBuffers {
  readonly #free: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(SIZE);
  }

  give(buffer: Uint8Array): void {
    if (this.#free.length < KEPT) this.#free.push(buffer);
  }
}
