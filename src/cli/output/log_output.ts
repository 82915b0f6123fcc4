import { concat, utf8 } from "../../base/bytes.ts";

/** Where bytes go: a write may take as long as it likes, on a thread of its own. Deno.stderr is one. */
export interface AsyncWriter {
  /** Resolves to how many bytes were taken. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Bytes that wait to be written; what comes beyond is dropped. */
const MOST_WAITING = 64 * 1024;

/** PIPE_BUF of Linux: what is not longer goes into a pipe whole (pipe(7)). */
const ATOMIC = 4096;

/** A write that takes longer is one that nobody reads, in milliseconds. */
const STALL = 500;

/** How long a writer that is full, but does not block, is left alone, in milliseconds. */
const PAUSE = 50;

const LINE_FEED = 0x0a;

/** A piece of text that is not torn apart, or a mark where so many lines were dropped. */
type Piece = { readonly bytes: Uint8Array; readonly lines: number } | { lost: number };

/**
 * Writes text in its order without ever making the caller wait. One write at a time is under way,
 * on a thread of the runtime's pool: where nobody reads, a full pipe or a stopped terminal, that
 * thread is stuck and nothing else. What does not fit in the queue, or cannot be written, is
 * dropped and counted, and the count is told in its place when writing works again.
 *
 * A descriptor that does not block would do without the thread, but it is shared with the programs
 * around: they would find theirs changed.
 */
export class LogOutput {
  /** Makes the line that tells of `count` lost ones, with its line end. */
  describeLost: (count: number) => string = (count) =>
    `ttun: ${count} lines could not be written here\n`;
  readonly #to: AsyncWriter;
  readonly #stallMs: number;
  #queue: Piece[] = [];
  #waiting = 0;
  /** When the write that is under way began, in milliseconds; null = there is none. */
  #since: number | null = null;
  /** Settles when the write that is under way has ended. */
  #moved = Promise.withResolvers<void>();
  /** The last write has failed. */
  #hasFailed = false;
  /** A line was begun, and its rest could not be written. */
  #isTorn = false;

  constructor(to: AsyncWriter, o: { stallMs: number } = { stallMs: STALL }) {
    this.#to = to;
    this.#stallMs = o.stallMs;
  }

  /** Writes whole lines, in one piece; keeps `bytes`. */
  write(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#hasRoom(bytes.length)) {
      this.#queue.push({ bytes, lines: countLines(bytes) });
      this.#waiting += bytes.length;
    } else this.#lose(countLines(bytes));
    if (this.#since === null) void this.#run(); // never rejects: failed writes count as lost lines
  }

  /** Like `write`, but waits for room for as long as somebody reads. */
  async writeSlowly(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += ATOMIC) {
      const part = bytes.slice(at, at + ATOMIC);
      while (!this.#hasRoom(part.length) && !this.#isStalled) await this.#next(this.#stallMs);
      this.write(part);
    }
  }

  /**
   * Waits until everything is written, but no longer than so many milliseconds, and not at all
   * where nobody reads.
   */
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

  /** A piece alone may have any length. */
  #hasRoom(length: number): boolean {
    return this.#waiting === 0 || this.#waiting + length <= MOST_WAITING;
  }

  /** Resolves when the write under way ends, at the latest after so many milliseconds. */
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
    // Without new text the count of what was lost is not tried again.
    while (this.#waiting > 0 || (this.#queue.length > 0 && !this.#hasFailed)) {
      const { bytes, lines } = this.#take();
      this.#since = performance.now();
      try {
        await this.#writeAll(bytes);
        this.#hasFailed = false;
      } catch {
        // A closed pipe, a full disk: there is no other place to say so, and a tunnel must not end
        // because its log cannot be written.
        this.#hasFailed = true;
        this.#lose(lines, "front");
      }
      this.#since = null;
      const { resolve } = this.#moved;
      this.#moved = Promise.withResolvers<void>();
      resolve();
    }
  }

  /** Takes the pieces that fit one write to a pipe; `lines` are lost if that write fails. */
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
    return { bytes: concat(...parts), lines };
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
        // Another program has made the descriptor one that does not block.
        await new Promise<void>((resolve) => setTimeout(resolve, PAUSE));
      }
    }
  }
}

/** Standard error of this process: everything that is written there goes through it. */
export const standardError = new LogOutput(Deno.stderr);

/** One that is not ended counts as well. */
function countLines(bytes: Uint8Array): number {
  let count = bytes.at(-1) === LINE_FEED ? 0 : 1;
  for (const byte of bytes) if (byte === LINE_FEED) count++;
  return count;
}
