import { concat, utf8 } from "../../base/bytes.ts";

/** A destination like Deno.stderr. A write may take any time, on a thread of its own. */
export interface AsyncWriter {
  write(bytes: Uint8Array): Promise<number>;
}

/** Bytes in the queue, at most; further text is dropped. */
const MOST_WAITING = 64 * 1024;

/** PIPE_BUF of Linux: a write up to this size is atomic on a pipe (pipe(7)). */
const ATOMIC = 4096;

/** Milliseconds of a write after which nobody seems to read. */
const STALL = 500;

/** Milliseconds to wait while a non-blocking writer is full. */
const PAUSE = 50;

const LINE_FEED = 0x0a;

/** Erases from the cursor, which is at a line's beginning, to the screen's end (ECMA-48: ED). */
const ERASE = utf8("\r\x1b[J");

/** Text that stays in one piece, or a mark where a number of lines was dropped. */
type Piece = { readonly bytes: Uint8Array; readonly lines: number } | { lost: number };

/**
 * Writes in order and never makes the caller wait. At most one write is under way, on a thread of
 * the runtime's pool; if nobody reads, only that thread is stuck. Text that does not fit in the
 * queue or cannot be written is dropped and counted; the count is reported in its place later. A
 * non-blocking descriptor would save the thread, but other programs share the descriptor.
 */
export class LogOutput {
  describeLost: (count: number) => string = (count) =>
    `ttun: ${count} lines could not be written here\n`;
  readonly #to: AsyncWriter;
  readonly #stallMs: number;
  #queue: Piece[] = [];
  #waiting = 0;
  /** Start of the write under way, in milliseconds; null = none. */
  #since: number | null = null;
  /** Settles when the write under way ends. */
  #moved = Promise.withResolvers<void>();
  #hasFailed = false;
  /** Only the beginning of a line was written. */
  #isTorn = false;
  /** Text below the last line; null = there is none. */
  #footer: Uint8Array | null = null;
  /** It is to be written, or erased, though there are no lines to write. */
  #isFooterDue = false;
  /** There is one on the screen. */
  #isFooterShown = false;

  constructor(to: AsyncWriter, o: { stallMs: number } = { stallMs: STALL }) {
    this.#to = to;
    this.#stallMs = o.stallMs;
  }

  /** Takes whole lines, and the ownership of `bytes`. */
  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#hasRoom(bytes.length)) {
      this.#queue.push({ bytes, lines: countLines(bytes) });
      this.#waiting += bytes.length;
    } else this.#lose(countLines(bytes));
    if (this.#since === null) void this.#run(); // never rejects: failed writes count as lost lines
  }

  /**
   * Keeps a text of one row below the lines, for a terminal; null takes it away. The cursor stays at
   * its beginning: if a narrower terminal breaks it into several rows, all of them are erased.
   */
  setFooter(text: string | null): void {
    this.#footer = text === null ? null : utf8(`${text}\r`);
    this.#isFooterDue = true;
    if (this.#since === null) void this.#run(); // never rejects: as in `write`
  }

  /** Like `write`, but waits for room as long as somebody reads. */
  async writeSlowly(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += ATOMIC) {
      const part = bytes.slice(at, at + ATOMIC);
      while (!this.#hasRoom(part.length) && !this.#isStalled) await this.#next(this.#stallMs);
      this.write(part);
    }
  }

  /** Waits for `ms` milliseconds at most, and not at all if nobody reads. */
  async flush(ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (this.#since !== null && !this.#isStalled) {
      const left = end - performance.now();
      if (left <= 0) return;
      await this.#next(left);
    }
  }

  get #isStalled(): boolean {
    return this.#since !== null && performance.now() - this.#since >= this.#stallMs;
  }

  /** The queue takes a single piece of any length. */
  #hasRoom(length: number): boolean {
    return this.#waiting === 0 || this.#waiting + length <= MOST_WAITING;
  }

  async #next(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([this.#moved.promise, promise]);
    clearTimeout(timer);
  }

  #lose(lines: number, at: "front" | "back" = "back"): void {
    const neighbour = at === "back" ? this.#queue.at(-1) : this.#queue[0];
    if (neighbour !== undefined && "lost" in neighbour) neighbour.lost += lines;
    else if (at === "back") this.#queue.push({ lost: lines });
    else this.#queue.unshift({ lost: lines });
  }

  async #run(): Promise<void> {
    // A report of lost lines alone is not retried without new text.
    while (
      this.#waiting > 0 || (this.#queue.length > 0 && !this.#hasFailed) || this.#isFooterDue
    ) {
      const { bytes, lines } = this.#take();
      if (bytes.length === 0) continue; // the footer came and went
      this.#since = performance.now();
      try {
        await this.#writeAll(bytes);
        this.#hasFailed = false;
      } catch {
        // A closed pipe or a full disk cannot be reported elsewhere, and must not end a tunnel.
        this.#hasFailed = true;
        if (lines > 0) this.#lose(lines, "front");
      }
      this.#since = null;
      const { resolve } = this.#moved;
      this.#moved = Promise.withResolvers<void>();
      resolve();
    }
  }

  /** Takes pieces for one atomic write; `lines` are lost if that write fails. */
  #take(): { bytes: Uint8Array; lines: number } {
    const parts: Uint8Array[] = this.#isTorn ? [Uint8Array.of(LINE_FEED)] : [];
    let length = parts.length;
    let lines = 0;
    let count = 0;
    for (const piece of this.#queue) {
      const bytes = "lost" in piece ? utf8(this.describeLost(piece.lost)) : piece.bytes;
      if (count > 0 && length + bytes.length > ATOMIC) break;
      parts.push(bytes);
      length += bytes.length;
      lines += "lost" in piece ? piece.lost : piece.lines;
      if (!("lost" in piece)) this.#waiting -= bytes.length;
      count++;
    }
    this.#queue = this.#queue.slice(count);
    return { bytes: this.#withFooter(parts), lines };
  }

  #withFooter(parts: Uint8Array[]): Uint8Array {
    this.#isFooterDue = false;
    if (this.#footer === null && !this.#isFooterShown) return concat(...parts);
    const isOpen = (parts.at(-1)?.at(-1) ?? LINE_FEED) !== LINE_FEED;
    const end = isOpen ? [Uint8Array.of(LINE_FEED)] : [];
    this.#isFooterShown = this.#footer !== null;
    return concat(ERASE, ...parts, ...end, ...(this.#footer === null ? [] : [this.#footer]));
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      try {
        at += await this.#to.write(bytes.subarray(at));
        this.#isTorn = false;
      } catch (error) {
        if (!(error instanceof Deno.errors.WouldBlock)) {
          if (at > 0) this.#isTorn = bytes[at - 1] !== LINE_FEED;
          throw error;
        }
        // Another program has made the descriptor non-blocking.
        await new Promise<void>((resolve) => setTimeout(resolve, PAUSE));
      }
    }
  }
}

/** All output to standard error goes through here. */
export const standardError = new LogOutput(Deno.stderr);

function countLines(bytes: Uint8Array): number {
  let count = bytes.at(-1) === LINE_FEED ? 0 : 1;
  for (const byte of bytes) if (byte === LINE_FEED) count++;
  return count;
}
