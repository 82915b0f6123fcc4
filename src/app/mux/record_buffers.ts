import { LEAST_ROOM } from "../../core/mux/mux.ts";
import { RECORD_HEADER, RECORD_TAG } from "../../core/link/v2/record.ts";

/** Bytes of text in a record of streams: the longest frame, and others beside it. */
export const RECORD_TEXT = LEAST_ROOM;

/** Records that are written at once. */
export const RECORDS = 2;

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
