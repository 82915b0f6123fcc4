import { ProtocolError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { FrameOpener, type FrameSecrets } from "../../core/tt/frame.ts";
import { FRAME_ROOM, MAX_FRAME_ROOM } from "../../core/tt/frame_sizes.ts";
import type { FrameBuffers } from "./frame_buffers.ts";

/** Bytes that always tell a frame's size: all that precedes the text. */
const HEAD = MAX_FRAME_ROOM;

export interface FrameSink {
  /** A frame without a text may come. */
  readonly endsByFrame: boolean;
  readonly hasEnded: boolean;
  /**
   * Takes the frame at `frame[at..]`, opened into `text`, which is `into` or, if that is too short,
   * a buffer of its own (owned). Returns the bytes in `into`. Throws to refuse all further frames.
   */
  opened(frame: Uint8Array, at: number, text: Uint8Array, length: number, into: Uint8Array): number;
}

interface PartialFrame {
  /** Lent by FrameBuffers until the frame is whole. */
  readonly bytes: Uint8Array;
  readonly size: number;
  have: number;
}

/** Reads frames from a socket; keeps only what is no whole frame yet between two calls. */
export class FrameReader {
  readonly #socket: Connection;
  readonly #opener: FrameOpener;
  readonly #buffers: FrameBuffers;
  readonly #sink: FrameSink;
  /** Ciphertext: the beginning of a frame, or frames that nobody has read. */
  #kept: Uint8Array | null = null;
  /** Instead of `#kept`, for a long frame. */
  #frame: PartialFrame | null = null;
  /** Nothing is read after a frame that could not be opened. */
  #broken: { error: unknown } | null = null;

  /** Everything stays the caller's. */
  constructor(socket: Connection, secrets: FrameSecrets, buffers: FrameBuffers, sink: FrameSink) {
    this.#socket = socket;
    this.#opener = new FrameOpener(secrets);
    this.#buffers = buffers;
    this.#sink = sink;
  }

  /** Takes bytes (owned) that were read from the socket before. */
  put(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#kept = bytes;
  }

  get isEmpty(): boolean {
    return this.#kept === null && this.#frame === null;
  }

  /** Returns a view of R of a frame that is being opened. */
  randomAt(frame: Uint8Array, at: number): Uint8Array {
    return this.#opener.randomAt(frame, at);
  }

  /** Returns as FrameChannel.readFrames; throws a ProtocolError on a damaged or truncated frame. */
  read(into: Uint8Array): number | null | undefined {
    if (this.#broken !== null) throw this.#broken.error;
    return this.#frame === null ? this.#readShort(into) : this.#readLong(this.#frame, into);
  }

  /** Reads at most two of the longest frames that fill `into`: only a few bytes are left over. */
  #readShort(into: Uint8Array): number | null | undefined {
    const { sealed } = this.#buffers;
    const kept = this.#kept;
    if (kept !== null) {
      sealed.set(kept);
      const size = this.#sizeOf(sealed, 0, kept.length);
      if (size !== null && kept.length >= size) return this.#openFrames(into, kept.length);
    }
    const have = kept?.length ?? 0;
    const most = Math.max(into.length + 2 * FRAME_ROOM, have + HEAD);
    const end = Math.min(sealed.length, most);
    const got = this.#socket.readNow(
      have === 0 ? this.#buffers.sealedTo(end) : sealed.subarray(have, end),
    );
    if (got === undefined) return undefined;
    return got === null ? checkEnd(have) : this.#openFrames(into, have + got);
  }

  /** Opens the whole frames in the shared buffer, those before a damaged one too; keeps the rest. */
  #openFrames(into: Uint8Array, end: number): number {
    const { sealed } = this.#buffers;
    this.#kept = null;
    let at = 0;
    let filled = 0;
    try {
      do {
        const size = this.#sizeOf(sealed, at, end);
        if (size === null || at + size > end) break;
        filled += this.#open(sealed, at, size, filled === 0 ? into : into.subarray(filled));
        at += size;
      } while (filled < into.length && !this.#sink.hasEnded);
      if (at < end) this.#keep(sealed.subarray(at, end));
    } catch (error) {
      this.#broken = { error };
    }
    return filled;
  }

  #readLong(frame: PartialFrame, into: Uint8Array): number | null | undefined {
    const got = this.#socket.readNow(frame.bytes.subarray(frame.have, frame.size));
    if (got === undefined) return undefined;
    if (got === null) return checkEnd(frame.have);
    frame.have += got;
    if (frame.have < frame.size) return 0;
    this.#frame = null;
    try {
      return this.#open(frame.bytes, 0, frame.size, into);
    } catch (error) {
      this.#broken = { error };
      return 0;
    } finally {
      this.#buffers.giveBack(frame.bytes);
    }
  }

  #sizeOf(bytes: Uint8Array, at: number, end: number): number | null {
    return this.#opener.sizeAt(bytes, at, end, this.#sink.endsByFrame ? 0 : 1);
  }

  #open(bytes: Uint8Array, at: number, size: number, into: Uint8Array): number {
    const length = this.#opener.textAt(bytes, at, size);
    // `into` is short if the caller reads a header, for example.
    const text = length > into.length ? new Uint8Array(length) : into;
    this.#opener.open(bytes, at, size, text);
    return this.#sink.opened(bytes, at, text, length, into);
  }

  /** Keeps the bytes alone, or in a buffer for all of a long frame. */
  #keep(bytes: Uint8Array): void {
    const isShort = bytes.length <= HEAD || this.#sink.hasEnded;
    const size = isShort ? null : this.#sizeOf(bytes, 0, bytes.length);
    if (size === null || size <= bytes.length) {
      this.#kept = bytes.slice();
      return;
    }
    const frame = { bytes: this.#buffers.lend(size), size, have: bytes.length };
    frame.bytes.set(bytes);
    this.#frame = frame;
  }
}

/** @throws {ProtocolError} if FIN came inside a frame, of which `kept` bytes had come */
function checkEnd(kept: number): null {
  if (kept > 0) throw new ProtocolError("Lost the connection: it ended inside a frame");
  return null;
}
