import type { Addr } from "../../base/addr.ts";
import { concat } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { MaybePromise, OnReady, Stream } from "../../contract/stream.ts";
import { FRAME_ROOM, MAX_TEXT, MAX_TEXT_OLD } from "../../core/tt/frame_sizes.ts";
import type { PeerKind } from "../../core/tt/mark.ts";
import { writable } from "../loop/stream_io.ts";
import type { FrameChannel } from "./frame_channel.ts";

/** Bytes that are sent in small frames first, so that a page's beginning is seen at once. */
const SMALL_FRAMES = 64 * 1024;

/** Milliseconds without a write after which frames are small again. */
const PAUSE_MS = 1000;

/** Bytes of a usual path's segment, over IPv6, with timestamps; if the socket cannot tell. */
const USUAL_SEGMENT = 1428;

/** Bytes that fit into any segment (RFC 9293 section 3.7.1): the socket need not be asked. */
const ANY_SEGMENT = 536;

/**
 * The texts of frames as a stream (docs/wire/tt-v1.md, 2). `into` must not be FrameBuffers'
 * `sealed`. If the peer's connections last (section 7), a frame ends each direction instead of FIN.
 */
export class TtStream implements Stream {
  readonly #channel: FrameChannel;
  hasEnded = false;
  #hasSentEnd = false;
  /** Sealed bytes that wait for the end frame, which is sealed behind them; see `writeNow`. */
  #held = 0;
  #text: Uint8Array | null = null;
  #smallLeft = SMALL_FRAMES;
  #lastWrite = -Infinity;
  /** Time of the last text in either direction, in milliseconds of the clock. */
  lastActive: number;

  constructor(channel: FrameChannel) {
    this.#channel = channel;
    this.lastActive = channel.clock.now();
  }

  get local(): Addr {
    return this.#channel.socket.local;
  }

  get peer(): string {
    return this.#channel.socket.peer;
  }

  get peerMark(): PeerKind {
    return this.#channel.peerMark;
  }

  /** Both directions have ended by frames, and nothing is left to read or to send. */
  get isOver(): boolean {
    return this.hasEnded && this.#hasSentEnd && this.#text === null && this.#channel.isFlushed;
  }

  /** This end has been sent by a frame, and the peer's has not come yet. */
  get awaitsEnd(): boolean {
    return this.#hasSentEnd && !this.hasEnded && this.#channel.isFlushed;
  }

  // Reading.

  /** Puts back text (owned from now on), which is read again first. */
  unread(text: Uint8Array): void {
    if (text.length > 0) this.#text = this.#text === null ? text : concat(text, this.#text);
  }

  onReadable(run: OnReady): void {
    this.#channel.socket.onReadable(run);
  }

  readNow(into: Uint8Array): number | null | undefined {
    for (;;) {
      if (this.#text !== null) return this.#takeText(into);
      if (this.hasEnded) return null;
      const got = this.#channel.readFrames(into);
      if (got === null && this.#channel.endsByFrame) {
        throw new TtunError("lost", "Lost the connection: it ended without saying so");
      }
      if (got !== 0) return got;
    }
  }

  get mayEnd(): boolean {
    return this.hasEnded;
  }

  #takeText(into: Uint8Array): number {
    const text = this.#text!;
    const part = text.subarray(0, into.length);
    into.set(part);
    this.#text = part.length < text.length ? text.subarray(part.length) : null;
    return part.length;
  }

  /** Takes `length` bytes at the front of `into`, or all of `text`; returns the bytes in `into`. */
  opened(length: number, text: Uint8Array | null, into: Uint8Array): number {
    this.hasEnded = length === 0;
    this.lastActive = this.#channel.clock.now();
    this.#text = text;
    return text === null ? length : this.#takeText(into);
  }

  // Writing.

  /** Each text is a frame of its own. Must not be called while a write waits. */
  writeFrames(texts: readonly Uint8Array[]): MaybePromise<void> {
    const channel = this.#channel;
    let end = 0;
    for (const text of texts) end = channel.seal(text, end);
    channel.send(end);
    if (channel.isWaiting) return this.#flush();
  }

  writeNow(bytes: Uint8Array, isLast = false): number {
    const channel = this.#channel;
    channel.check();
    if (this.#hasSentEnd) throw new TtunError("lost", "Cannot write: this end has ended");
    let done = 0;
    while (done < bytes.length && !channel.isWaiting) {
      done += this.#sendTexts(done === 0 ? bytes : bytes.subarray(done), isLast);
    }
    return done;
  }

  onWritable(run: OnReady): void {
    this.#channel.check();
    this.#channel.onFlushed(run);
  }

  #sendTexts(bytes: Uint8Array, isLast: boolean): number {
    const channel = this.#channel;
    const room = channel.sealedRoom;
    this.#beginAfterPause();
    let [done, end] = [0, 0];
    while (done < bytes.length) {
      const length = this.#nextText(bytes.length - done);
      if (end + FRAME_ROOM + length > room) break;
      const isAll = length === bytes.length;
      end = channel.seal(isAll ? bytes : bytes.subarray(done, done + length), end);
      done += length;
      this.#smallLeft -= length;
    }
    const isHeld = isLast && done === bytes.length && channel.peerMark === "lasting" &&
      end + FRAME_ROOM <= room;
    if (isHeld) this.#held = end;
    else channel.send(end);
    return done;
  }

  #beginAfterPause(): void {
    const now = this.#channel.clock.now();
    if (now - this.#lastWrite > PAUSE_MS) this.#smallLeft = SMALL_FRAMES;
    this.#lastWrite = this.lastActive = now;
  }

  #nextText(left: number): number {
    const { peerMark, mostText } = this.#channel;
    const most = Math.min(left, mostText, peerMark === "unmarked" ? MAX_TEXT_OLD : MAX_TEXT);
    if (this.#smallLeft <= 0 || most <= ANY_SEGMENT - FRAME_ROOM) return most;
    const segment = this.#channel.segmentBytes ?? USUAL_SEGMENT;
    return Math.min(most, Math.max(1, segment - FRAME_ROOM));
  }

  closeWrite(closes?: boolean): MaybePromise<void> {
    const { isWaiting } = this.#channel;
    return isWaiting ? this.#flush().then(() => this.#sendEnd(closes)) : this.#sendEnd(closes);
  }

  /** Where the peer has ended too, the end frame waits for the next stream's first frame. */
  #sendEnd(closes: boolean | undefined): MaybePromise<void> {
    const channel = this.#channel;
    channel.check();
    if (channel.peerMark !== "lasting") return channel.socket.closeWrite(closes);
    if (this.#hasSentEnd) return;
    if (!this.hasEnded || this.#held > 0 || !channel.oweEnd()) {
      const held = this.#held;
      this.#held = 0;
      channel.send(channel.sealEnd(held));
    }
    this.#hasSentEnd = true;
    if (channel.isWaiting) return this.#flush();
  }

  async #flush(): Promise<void> {
    await writable(this);
    this.#channel.check();
  }

  /** Sends the end frame on close, unless data is pending or the stream was reset. */
  tryEnd(): void {
    const channel = this.#channel;
    if (!channel.endsByFrame || this.#hasSentEnd || channel.isWaiting) return;
    try {
      channel.send(channel.sealEnd(0));
    } catch {
      // The connection is gone already.
    }
  }

  // The connection below.

  reset(): void {
    this.#channel.reset(this);
  }

  /** FIN after the peer's end frame can only mean that the peer is gone. */
  stats(): ConnectionStats {
    const stats = this.#channel.socket.stats();
    if (this.hasEnded && stats.peerClosed === true && !this.isOver) stats.isGone = true;
    return stats;
  }

  /** Bytes that the socket has not taken yet are lost; `closeWrite` waits for them. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#channel.leave(this);
  }
}
