import type { Addr } from "../../base/addr.ts";
import { concat } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { Now, Stream, StreamInfo, Tuning } from "../../contract/stream.ts";
import {
  FRAME_ROOM,
  type FrameOpener,
  type FrameSealer,
  LONGEST_TEXT,
  MAX_FRAME_ROOM,
  MAX_TEXT,
  MAX_TEXT_OLD,
  randomOf,
} from "../../core/tt/frame.ts";
import { readable } from "../readable.ts";
import type { Scratch } from "./scratch.ts";

/** So many bytes go in small frames first: whoever waits for a page sees its beginning at once. */
const SMALL_FRAMES = 64 * 1024;

/** After a pause a connection begins with small frames again. */
const PAUSE_MS = 1000;

/** Bytes of a TCP segment where the carrier cannot tell: a usual path's, over IPv6, with timestamps. */
const USUAL_SEGMENT = 1428;

/** So many bytes fit into any segment (RFC 9293 section 3.7.1): the carrier need not be asked. */
const ANY_SEGMENT = 536;

/** A header and what precedes the text, more is never needed to know a frame's size. */
const HEAD = MAX_FRAME_ROOM;

export interface TtStreamOptions {
  readonly stream: Stream;
  readonly sealer: FrameSealer;
  readonly opener: FrameOpener;
  readonly scratch: Scratch;
  readonly clock: Clock;
  /** Bytes that have come already: ciphertext, behind the frames that were opened. Owned from now on. */
  readonly rest?: Uint8Array;
  /** Text that has been opened already, to be read first. Owned from now on. */
  readonly text?: Uint8Array;
  /** R of the first frame that is sent (core/tt/mark.ts), 32 bytes. */
  readonly firstRandom: Uint8Array;
  /** Whether the peer has shown the mark. */
  readonly isMarked: boolean;
  /**
   * Called with R of the first frame that comes; says whether it has the mark. @throws to refuse it.
   * Absent: it has come already.
   */
  readonly onFirst?: (random: Uint8Array) => boolean;
  /** The longest text of a frame, whatever the peer takes (`--mtu`). */
  readonly mostText?: number;
}

/**
 * A connection in frames of tt as a stream of its texts (docs/tt-v1.md, 2). Owns the carrier. What
 * the carrier does not take at once is kept sealed, a chunk at the most; of what comes, a frame that
 * is not whole.
 */
export class TtStream implements Stream {
  readonly #stream: Stream;
  readonly #sealer: FrameSealer;
  readonly #opener: FrameOpener;
  readonly #scratch: Scratch;
  readonly #clock: Clock;
  readonly #mostText: number;
  #firstRandom: Uint8Array | null;
  #onFirst: ((random: Uint8Array) => boolean) | null;
  #isMarked: boolean;
  /** Text that was opened and not read yet. */
  #text: Uint8Array | null;
  /** A frame that is not whole: `#have` bytes are there. */
  #part: Uint8Array | null = null;
  #have = 0;
  /** The write of what the carrier did not take at once. */
  #flushing: Promise<void> | null = null;
  #alongside: AsyncDisposable | null = null;
  #failure: { error: unknown } | null = null;
  /** A frame that cannot be opened: nothing is read after it. */
  #broken: { error: unknown } | null = null;
  #smallLeft = SMALL_FRAMES;
  #lastWrite = -Infinity;
  #segment: number | null = null;

  constructor(o: TtStreamOptions) {
    this.#stream = o.stream;
    this.#sealer = o.sealer;
    this.#opener = o.opener;
    this.#scratch = o.scratch;
    this.#clock = o.clock;
    this.#mostText = o.mostText ?? MAX_TEXT;
    this.#firstRandom = o.firstRandom;
    this.#onFirst = o.onFirst ?? null;
    this.#isMarked = o.isMarked;
    this.#text = o.text === undefined || o.text.length === 0 ? null : o.text;
    if (o.rest !== undefined && o.rest.length > 0) this.#own(o.rest);
  }

  get local(): Addr {
    return this.#stream.local;
  }

  get remote(): Addr {
    return this.#stream.remote;
  }

  /** Whether the peer has shown that it is ttun. */
  get isMarked(): boolean {
    return this.#isMarked;
  }

  /** Puts text back that was read: it comes again first. Owned from now on. */
  unread(text: Uint8Array): void {
    if (text.length > 0) this.#text = this.#text === null ? text : concat(text, this.#text);
  }

  /** What goes when the stream is closed, behind the carrier. */
  onClose(what: AsyncDisposable): void {
    this.#alongside = what;
  }

  // Reading.

  read(into: Uint8Array): Now<number | null> {
    const got = this.readNow(into);
    return got === undefined ? this.#readLater(into) : got;
  }

  async #readLater(into: Uint8Array): Promise<number | null> {
    for (;;) {
      await readable(this);
      const got = this.readNow(into);
      if (got !== undefined) return got;
    }
  }

  onReadable(run: () => void): void {
    this.#stream.onReadable(run);
  }

  readNow(into: Uint8Array): number | null | undefined {
    for (;;) {
      if (this.#text !== null) return this.#takeText(into);
      if (this.#broken !== null) throw this.#broken.error;
      const size = this.#part === null ? null : this.#sizeOf(this.#part, 0, this.#have);
      if (size !== null && this.#have >= size) {
        this.#openPart(size);
        continue;
      }
      const got = size === null ? this.#readFrames(into) : this.#readPart(size);
      if (got !== 0) return got;
    }
  }

  #takeText(into: Uint8Array): number {
    const text = this.#text!;
    const part = text.subarray(0, into.length);
    into.set(part);
    this.#text = part.length < text.length ? text.subarray(part.length) : null;
    return part.length;
  }

  /**
   * Reads what is there into the shared buffer, behind what was kept of a header, and opens whole
   * frames. 0 = read on. Never more than `into` has room for: texts are shorter than their frames.
   */
  #readFrames(into: Uint8Array): number | null | undefined {
    const { sealed } = this.#scratch;
    const kept = this.#have;
    if (this.#part !== null) sealed.set(this.#part.subarray(0, kept));
    const room = Math.max(into.length, HEAD);
    const got = this.#stream.readNow(sealed.subarray(kept, Math.min(sealed.length, kept + room)));
    if (got === undefined) return undefined;
    if (got === null) return this.#end();
    this.#part = null;
    this.#have = 0;
    return this.#openFrames(into, kept + got);
  }

  /**
   * Opens the whole frames among the bytes in the shared buffer, and keeps what is behind them.
   * Those before a damaged one still count.
   */
  #openFrames(into: Uint8Array, end: number): number {
    const { sealed } = this.#scratch;
    let at = 0;
    let filled = 0;
    try {
      for (;;) {
        const size = this.#sizeOf(sealed, at, end);
        if (size === null || at + size > end) break;
        const textAt = this.#open(sealed, at, size);
        const text = sealed.subarray(textAt, at + size);
        at += size;
        if (text.length > into.length - filled) { // little room: a caller that reads a header, say
          into.set(text.subarray(0, into.length - filled), filled);
          this.#text = text.slice(into.length - filled);
          filled = into.length;
          break;
        }
        into.set(text, filled);
        filled += text.length;
      }
      if (at < end) this.#keep(sealed.subarray(at, end));
    } catch (error) {
      this.#broken = { error };
    }
    return filled;
  }

  /** Reads more of the frame that is kept. 0 = read on. */
  #readPart(size: number): 0 | null | undefined {
    const part = this.#part!;
    const got = this.#stream.readNow(part.subarray(this.#have, size));
    if (got === undefined) return undefined;
    if (got === null) return this.#end();
    this.#have += got;
    return 0;
  }

  #openPart(size: number): void {
    const part = this.#part!;
    const rest = part.subarray(size, this.#have);
    this.#part = null;
    this.#have = 0;
    try {
      this.#text = part.subarray(this.#open(part, 0, size), size);
      if (rest.length > 0) this.#keep(rest);
    } catch (error) {
      this.#broken = { error };
    }
  }

  #sizeOf(bytes: Uint8Array, at: number, end: number): number | null {
    return this.#opener.sizeAt(bytes, at, end, LONGEST_TEXT);
  }

  #open(bytes: Uint8Array, at: number, size: number): number {
    const textAt = this.#opener.open(bytes, at, size);
    if (this.#onFirst !== null) {
      this.#isMarked = this.#onFirst(randomOf(bytes, at, textAt).slice());
      this.#onFirst = null;
    }
    return textAt;
  }

  /** Copies what is no whole frame; of a frame whose size is known there is room for all. */
  #keep(bytes: Uint8Array): void {
    const size = this.#sizeOf(bytes, 0, bytes.length) ?? HEAD;
    const part = new Uint8Array(Math.max(size, bytes.length));
    part.set(bytes);
    this.#part = part;
    this.#have = bytes.length;
  }

  /** The same for bytes that are ours already, unless more of their frame is to come. */
  #own(bytes: Uint8Array): void {
    const size = this.#sizeOf(bytes, 0, bytes.length) ?? HEAD;
    if (size > bytes.length) return this.#keep(bytes);
    this.#part = bytes;
    this.#have = bytes.length;
  }

  #end(): null {
    if (this.#have > 0) {
      throw new ProtocolError("Lost the connection: it ended inside a frame");
    }
    return null;
  }

  // Writing.

  /** Writes short texts, each a frame of its own, at once: only when nothing waits. */
  writeFrames(texts: readonly Uint8Array[]): Now<void> {
    const { sealed } = this.#scratch;
    let end = 0;
    for (const text of texts) {
      sealed.set(text, end + FRAME_ROOM);
      end = this.#seal(sealed, end, end + FRAME_ROOM, text.length);
    }
    const took = this.#stream.writeNow(sealed.subarray(0, end));
    if (took < end) return this.#stream.write(sealed.slice(took, end));
  }

  writeNow(bytes: Uint8Array): number {
    if (this.#failure !== null) throw this.#failure.error;
    if (this.#flushing !== null) return 0;
    const { sealed } = this.#scratch;
    this.#beginAfterPause();
    let [done, end] = [0, 0];
    while (done < bytes.length) {
      const length = this.#nextText(bytes.length - done);
      const textAt = end + FRAME_ROOM;
      if (textAt + length > sealed.length) break;
      sealed.set(bytes.subarray(done, done + length), textAt);
      end = this.#seal(sealed, end, textAt, length);
      done += length;
      this.#smallLeft -= length;
    }
    const took = this.#stream.writeNow(sealed.subarray(0, end));
    if (took < end) this.#flush(sealed.slice(took, end));
    return done;
  }

  /** Frames of one write lie one behind the other: returns where the next one begins. */
  #seal(bytes: Uint8Array, end: number, textAt: number, length: number): number {
    const first = this.#firstRandom;
    this.#firstRandom = null;
    const start = first === null
      ? this.#sealer.seal(bytes, textAt, length)
      : this.#sealer.seal(bytes, textAt, length, first);
    const size = textAt + length - start;
    if (start > end) bytes.copyWithin(end, start, start + size);
    return end + size;
  }

  #beginAfterPause(): void {
    const now = this.#clock.now();
    if (now - this.#lastWrite > PAUSE_MS) this.#smallLeft = SMALL_FRAMES;
    this.#lastWrite = now;
  }

  /** How much of so many bytes the next frame takes. */
  #nextText(left: number): number {
    const most = Math.min(left, this.#mostText, this.#isMarked ? MAX_TEXT : MAX_TEXT_OLD);
    if (this.#smallLeft <= 0 || most <= ANY_SEGMENT - FRAME_ROOM) return most;
    this.#segment ??= this.#stream.info().segmentBytes ?? USUAL_SEGMENT;
    return Math.min(most, Math.max(1, this.#segment - FRAME_ROOM));
  }

  #flush(sealed: Uint8Array): void {
    const writing = this.#stream.write(sealed);
    if (!(writing instanceof Promise)) return;
    this.#flushing = writing.then(() => void (this.#flushing = null), (error) => {
      this.#failure = { error };
      this.#flushing = null;
    });
  }

  write(all: Uint8Array): Now<void> {
    const done = this.writeNow(all);
    if (done < all.length || this.#flushing !== null) return this.#writeLater(all, done);
  }

  async #writeLater(all: Uint8Array, from: number): Promise<void> {
    for (let done = from;;) {
      if (this.#flushing !== null) await this.#flushing;
      if (this.#failure !== null) throw this.#failure.error;
      if (done === all.length) return;
      done += this.writeNow(done === 0 ? all : all.subarray(done));
    }
  }

  closeWrite(): Now<void> {
    if (this.#flushing !== null) return this.#flushing.then(() => this.#sendFin());
    return this.#sendFin();
  }

  #sendFin(): Now<void> {
    if (this.#failure !== null) throw this.#failure.error;
    return this.#stream.closeWrite();
  }

  // What is the carrier's.

  reset(): void {
    this.#stream.reset();
  }

  info(): StreamInfo {
    return this.#stream.info();
  }

  tune(options: Tuning): string[] {
    return this.#stream.tune(options);
  }

  /** What the carrier has not taken yet is lost: `closeWrite` waits for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stream[Symbol.asyncDispose]();
    await this.#alongside?.[Symbol.asyncDispose]();
  }
}
