import type { Addr } from "../../base/addr.ts";
import { concat } from "../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import type { Connection, ConnectionStats, SocketOptions } from "../../contract/connection.ts";
import type { MaybePromise, OnReady } from "../../contract/stream.ts";
import {
  FRAME_ROOM,
  type FrameOpener,
  type FrameSealer,
  MAX_FRAME_ROOM,
  MAX_TEXT,
  MAX_TEXT_OLD,
} from "../../core/tt/frame.ts";
import type { Peer } from "../../core/tt/mark.ts";
import type { ScratchBuffers } from "../net/scratch.ts";

/** So many bytes go in small frames first: whoever waits for a page sees its beginning at once. */
const SMALL_FRAMES = 64 * 1024;

/** After a pause a connection begins with small frames again. */
const PAUSE_MS = 1000;

/** Bytes of a TCP segment where the carrier cannot tell: a usual path's, over IPv6, with timestamps. */
const USUAL_SEGMENT = 1428;

/** So many bytes fit into any segment (RFC 9293 section 3.7.1): the carrier need not be asked. */
const ANY_SEGMENT = 536;

/** With more on its way a carrier would make the next connection wait: it is not given on. */
const MOST_UNHEARD = 16 * 1024;

/** A header and what precedes the text, more is never needed to know a frame's size. */
const HEAD = MAX_FRAME_ROOM;

interface PartOfFrame {
  /** Lent by Scratch. */
  readonly bytes: Uint8Array;
  readonly size: number;
  have: number;
}

export interface TtStreamOptions {
  readonly stream: Connection;
  readonly sealer: FrameSealer;
  readonly opener: FrameOpener;
  readonly scratch: ScratchBuffers;
  readonly clock: Clock;
  /** Bytes that have come already: ciphertext, behind the frames that were opened. Owned from now on. */
  readonly rest?: Uint8Array | undefined;
  /** R of the first frame that is sent (core/tt/mark.ts), 32 bytes. */
  readonly firstRandom: Uint8Array;
  /** What the peer has shown to be. */
  readonly peer: Peer;
  /**
   * Called with R of the first frame that comes, lent; says what the peer is. @throws to refuse it.
   * Absent: it has come already.
   */
  readonly onFirst?: ((random: Uint8Array) => Peer) | undefined;
  /** Called instead of closing the carrier when the next connection can have it. */
  readonly onIdle?: () => void;
  /** The longest text of a frame, whatever the peer takes (`--mtu`). */
  readonly mostText?: number | undefined;
}

/**
 * A connection in frames of tt as a stream of its texts (docs/wire/tt-v1.md, 2). Owns the carrier. What
 * the carrier does not take at once is kept sealed, a chunk at the most; of what comes, a frame that
 * is not whole. `readNow` and `writeNow` must not be given Scratch's `sealed`.
 *
 * Where the carrier lasts (7), each way ends by a frame instead of FIN, and a FIN before it is no end
 * but a loss.
 */
export class TtStream implements Connection {
  readonly #stream: Connection;
  readonly #sealer: FrameSealer;
  readonly #opener: FrameOpener;
  readonly #scratch: ScratchBuffers;
  readonly #clock: Clock;
  readonly #mostText: number;
  #firstRandom: Uint8Array | null;
  #onFirst: ((random: Uint8Array) => Peer) | null;
  #peer: Peer;
  readonly #onIdle: (() => void) | null;
  /** The ends by frames. */
  #hasEnded = false;
  #hasSentEnd = false;
  /** Bytes of text since the peer was heard last: its kernel may still wait for them. */
  #unheard = 0;
  /** The carrier is another connection's. */
  #isGiven = false;
  /** Text that was opened and not read yet. */
  #text: Uint8Array | null = null;
  /** What has come and was not opened yet: the beginning of a frame, or frames without a reader. */
  #kept: Uint8Array | null = null;
  /** A long frame that is not whole, instead. */
  #frame: PartOfFrame | null = null;
  /** The write of what the carrier did not take at once. */
  #flushing: Promise<void> | null = null;
  #alongside: Disposable | null = null;
  #failure: { error: unknown } | null = null;
  /** A frame that cannot be opened: nothing is read after it. */
  #broken: { error: unknown } | null = null;
  #smallLeft = SMALL_FRAMES;
  #lastWrite = -Infinity;
  /** When text last came, or went, on the clock. */
  lastActive: number;
  #segment: number | null = null;

  constructor(o: TtStreamOptions) {
    this.#stream = o.stream;
    this.#sealer = o.sealer;
    this.#opener = o.opener;
    this.#scratch = o.scratch;
    this.#clock = o.clock;
    this.lastActive = o.clock.now();
    this.#mostText = o.mostText ?? MAX_TEXT;
    this.#firstRandom = o.firstRandom;
    this.#onFirst = o.onFirst ?? null;
    this.#peer = o.peer;
    this.#onIdle = o.onIdle ?? null;
    if (o.rest !== undefined && o.rest.length > 0) this.#kept = o.rest;
  }

  get local(): Addr {
    return this.#stream.local;
  }

  get remote(): Addr {
    return this.#stream.remote;
  }

  get peer(): string {
    return this.#stream.peer;
  }

  /** What the peer has shown to be. */
  get peerMark(): Peer {
    return this.#peer;
  }

  /** Whether both ways have ended by frames, and this end has nothing left of them. */
  get isOver(): boolean {
    return this.#hasEnded && this.#hasSentEnd && this.#flushing === null &&
      this.#failure === null && this.#text === null;
  }

  /** What has come behind the end. Owned by the caller from now on. */
  takeRest(): Uint8Array | undefined {
    const rest = this.#kept ?? undefined;
    this.#kept = null;
    return rest;
  }

  /** Puts text back that was read: it comes again first. Owned from now on. */
  unread(text: Uint8Array): void {
    if (text.length > 0) this.#text = this.#text === null ? text : concat(text, this.#text);
  }

  /** What goes when the stream is closed, behind the carrier. */
  onClose(what: Disposable): void {
    this.#alongside = what;
  }

  // Reading.

  read(into: Uint8Array): MaybePromise<number | null> {
    const got = this.readNow(into);
    return got === undefined ? this.#readLater(into) : got;
  }

  async #readLater(into: Uint8Array): Promise<number | null> {
    for (;;) {
      await this.#stream.readable();
      const got = this.readNow(into);
      if (got !== undefined) return got;
    }
  }

  onReadable(run: OnReady): void {
    this.#stream.onReadable(run);
  }

  readable(): Promise<void> {
    return this.#stream.readable();
  }

  readNow(into: Uint8Array): number | null | undefined {
    for (;;) {
      if (this.#text !== null) return this.#takeText(into);
      if (this.#broken !== null) throw this.#broken.error;
      if (this.#hasEnded) return null;
      const got = this.#frame === null ? this.#readFrames(into) : this.#readFrame(into);
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
   * Reads what is there into the shared buffer, behind what was kept, and opens whole frames. 0 =
   * read on. Two of the longest frames fill the caller's buffer, and no more than that is read: of
   * the next frame nothing is left over then but a few bytes.
   */
  #readFrames(into: Uint8Array): number | null | undefined {
    const { sealed } = this.#scratch;
    const kept = this.#kept;
    if (kept !== null) {
      sealed.set(kept);
      const size = this.#sizeOf(sealed, 0, kept.length);
      if (size !== null && kept.length >= size) return this.#openFrames(into, kept.length);
    }
    const have = kept?.length ?? 0;
    const most = Math.max(into.length + 2 * FRAME_ROOM, have + HEAD);
    const end = Math.min(sealed.length, most);
    const got = this.#stream.readNow(
      have === 0 ? this.#scratch.sealedTo(end) : sealed.subarray(have, end),
    );
    if (got === undefined) return undefined;
    if (got === null) return this.#end(have);
    return this.#openFrames(into, have + got);
  }

  /**
   * Opens the whole frames among the bytes in the shared buffer, and keeps what is behind them.
   * Those before a damaged one still count.
   */
  #openFrames(into: Uint8Array, end: number): number {
    const { sealed } = this.#scratch;
    this.#kept = null;
    let at = 0;
    let filled = 0;
    try {
      do {
        const size = this.#sizeOf(sealed, at, end);
        if (size === null || at + size > end) break;
        filled += this.#open(sealed, at, size, filled === 0 ? into : into.subarray(filled));
        at += size;
      } while (filled < into.length && !this.#hasEnded);
      if (at < end) this.#keep(sealed.subarray(at, end));
    } catch (error) {
      this.#broken = { error };
    }
    return filled;
  }

  /** Reads more of the long frame that is not whole, and opens it when it is. 0 = read on. */
  #readFrame(into: Uint8Array): number | null | undefined {
    const frame = this.#frame!;
    const got = this.#stream.readNow(frame.bytes.subarray(frame.have, frame.size));
    if (got === undefined) return undefined;
    if (got === null) return this.#end(frame.have);
    frame.have += got;
    if (frame.have < frame.size) return 0;
    this.#frame = null;
    try {
      return this.#open(frame.bytes, 0, frame.size, into);
    } catch (error) {
      this.#broken = { error };
      return 0;
    } finally {
      this.#scratch.giveBack(frame.bytes);
    }
  }

  /** Whether an end must come by a frame: before the first one nothing is there to end. */
  get #isLasting(): boolean {
    return this.#peer === "lasting" && this.#onFirst === null;
  }

  #sizeOf(bytes: Uint8Array, at: number, end: number): number | null {
    return this.#opener.sizeAt(bytes, at, end, this.#isLasting ? 0 : 1);
  }

  /** Opens a frame, what there is room for to `into`; returns how much that was. */
  #open(bytes: Uint8Array, at: number, size: number, into: Uint8Array): number {
    const length = this.#opener.textAt(bytes, at, size);
    // Little room: a caller that reads a header, say.
    const text = length > into.length ? new Uint8Array(length) : null;
    this.#opener.open(bytes, at, size, text ?? into);
    this.#hasEnded = length === 0;
    this.#unheard = 0;
    this.lastActive = this.#clock.now();
    if (this.#onFirst !== null) {
      this.#peer = this.#onFirst(this.#opener.randomAt(bytes, at));
      this.#onFirst = null;
    }
    this.#text = text;
    return text === null ? length : this.#takeText(into);
  }

  /** Copies what is no whole frame: a little as it is, of a long frame there is room for all. */
  #keep(bytes: Uint8Array): void {
    const size = bytes.length <= HEAD || this.#hasEnded
      ? null
      : this.#sizeOf(bytes, 0, bytes.length);
    if (size === null || size <= bytes.length) {
      this.#kept = bytes.slice();
      return;
    }
    const frame = { bytes: this.#scratch.lend(size), size, have: bytes.length };
    frame.bytes.set(bytes);
    this.#frame = frame;
  }

  #end(kept: number): null {
    if (kept > 0) throw new ProtocolError("Lost the connection: it ended inside a frame");
    if (!this.#isLasting) return null;
    throw new TtunError("lost", "Lost the connection: it ended without saying so");
  }

  // Writing.

  #check(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Writes short texts, each a frame of its own, at once: only when nothing waits. */
  writeFrames(texts: readonly Uint8Array[]): MaybePromise<void> {
    const { sealed } = this.#scratch;
    let end = 0;
    for (const text of texts) end = this.#seal(text, sealed, end);
    const took = this.#stream.writeNow(this.#scratch.sealedTo(end));
    if (took < end) return this.#stream.write(sealed.slice(took, end));
  }

  writeNow(bytes: Uint8Array): number {
    this.#check();
    if (this.#hasSentEnd) throw new TtunError("lost", "Cannot write: this end has ended");
    if (this.#flushing !== null) return 0;
    const { sealed } = this.#scratch;
    this.#beginAfterPause();
    let [done, end] = [0, 0];
    while (done < bytes.length) {
      const length = this.#nextText(bytes.length - done);
      if (end + FRAME_ROOM + length > sealed.length) break;
      const isAll = length === bytes.length;
      end = this.#seal(isAll ? bytes : bytes.subarray(done, done + length), sealed, end);
      done += length;
      this.#smallLeft -= length;
    }
    this.#unheard += done;
    const took = this.#stream.writeNow(this.#scratch.sealedTo(end));
    if (took < end) this.#flush(sealed.slice(took, end));
    return done;
  }

  /** Frames of one write lie one behind the other: returns where the next one begins. */
  #seal(text: Uint8Array, into: Uint8Array, at: number): number {
    const first = this.#firstRandom;
    this.#firstRandom = null;
    return first === null
      ? this.#sealer.seal(text, into, at)
      : this.#sealer.seal(text, into, at, first);
  }

  #beginAfterPause(): void {
    const now = this.#clock.now();
    if (now - this.#lastWrite > PAUSE_MS) this.#smallLeft = SMALL_FRAMES;
    this.#lastWrite = this.lastActive = now;
  }

  /** How much of so many bytes the next frame takes. */
  #nextText(left: number): number {
    const most = Math.min(
      left,
      this.#mostText,
      this.#peer === "unmarked" ? MAX_TEXT_OLD : MAX_TEXT,
    );
    if (this.#smallLeft <= 0 || most <= ANY_SEGMENT - FRAME_ROOM) return most;
    this.#segment ??= this.#stream.stats().segmentBytes ?? USUAL_SEGMENT;
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

  write(all: Uint8Array): MaybePromise<void> {
    const done = this.writeNow(all);
    if (done < all.length || this.#flushing !== null) return this.#writeLater(all, done);
  }

  async #writeLater(all: Uint8Array, from: number): Promise<void> {
    for (let done = from;;) {
      if (this.#flushing !== null) await this.#flushing;
      this.#check();
      if (done === all.length) return;
      done += this.writeNow(done === 0 ? all : all.subarray(done));
    }
  }

  closeWrite(): MaybePromise<void> {
    if (this.#flushing !== null) return this.#flushing.then(() => this.#sendEnd());
    return this.#sendEnd();
  }

  #sendEnd(): MaybePromise<void> {
    this.#check();
    if (this.#peer !== "lasting") return this.#stream.closeWrite();
    if (this.#hasSentEnd) return;
    const frame = this.#sealEnd();
    const took = this.#stream.writeNow(frame);
    this.#hasSentEnd = true;
    if (took === frame.length) return;
    this.#flush(frame.slice(took));
    return this.#flushing?.then(() => this.#check());
  }

  #sealEnd(): Uint8Array {
    const { sealed } = this.#scratch;
    return this.#scratch.sealedTo(this.#sealer.sealEnd(sealed, 0));
  }

  // What is the carrier's.

  /**
   * Over a carrier that another connection has left and before the peer's first frame it is closed
   * instead: what the other one has sent may not have arrived yet.
   */
  reset(): void {
    if (this.#isGiven) return;
    if (this.#peer === "lasting" && !this.#isLasting) startClose(this.#stream);
    else this.#stream.reset();
  }

  /** Behind an end by a frame FIN can only mean that the peer is there no more. */
  stats(): ConnectionStats {
    const stats = this.#stream.stats();
    if (this.#hasEnded && stats.peerClosed === true && !this.isOver) stats.isGone = true;
    return stats;
  }

  setOptions(options: SocketOptions): string[] {
    return this.#stream.setOptions(options);
  }

  /** What the carrier has not taken yet is lost: `closeWrite` waits for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isGiven) return;
    const isFree = this.isOver && this.#kept === null && this.#unheard <= MOST_UNHEARD;
    if (isFree && this.#onIdle !== null) {
      this.#isGiven = true;
      return this.#onIdle();
    }
    this.#tryEnd();
    await this.#stream[Symbol.asyncDispose]();
    this.#alongside?.[Symbol.dispose]();
  }

  /** Who closes has ended, if nothing of what was written waits, and unless that was by a reset. */
  #tryEnd(): void {
    if (!this.#isLasting || this.#hasSentEnd || this.#flushing !== null) return;
    try {
      this.#stream.writeNow(this.#sealEnd());
    } catch {
      // It has gone already.
    }
  }
}
