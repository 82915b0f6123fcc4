import { readU16, writeU16 } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { type Cipher, NONCE_SIZE, TAG_SIZE } from "../../../contract/cipher.ts";
import type { Packets } from "../../../contract/batch.ts";

/**
 * Frames of version 1 (docs/wire/ttun-v1.md, "Frame"):
 *
 *     u16 n, big-endian | n bytes: ciphertext, then the 16-byte tag
 *
 * The nonce is `direction (1) | 00 00 00 | counter (u64, big-endian)`; each direction counts its
 * frames from 0.
 */
export const HEADER = 2;
export const MAX_BODY = 0xffff; // all that a u16 can say
export const MAX_TEXT = MAX_BODY - TAG_SIZE;

/** Who sends: the first byte of the nonce. */
export const CLIENT_TO_SERVER = 0;
/** As above, for the server's frames. */
export const SERVER_TO_CLIENT = 1;
/** Which way a frame goes. */
export type Direction = typeof CLIENT_TO_SERVER | typeof SERVER_TO_CLIENT;

/** Nonces of one direction, each given once: the only place where a counter lives. */
class NonceCounter {
  readonly #nonce = new Uint8Array(NONCE_SIZE);
  readonly #view = new DataView(this.#nonce.buffer);
  #low: number;
  #high: number;
  #spent = false;

  constructor(direction: Direction, first: bigint) {
    this.#nonce[0] = direction;
    this.#high = Number(first >> 32n);
    this.#low = Number(first & 0xffff_ffffn);
  }

  /** The next nonce, valid until the next call. @throws {ProtocolError} when all are used up. */
  next(): Uint8Array {
    if (this.#spent) {
      throw new ProtocolError(
        "Cannot go on: the frame counter is used up; connect again for a new key",
      );
    }
    this.#view.setUint32(4, this.#high);
    this.#view.setUint32(8, this.#low);
    if (this.#low < 0xffff_ffff) this.#low++;
    else if (this.#high < 0xffff_ffff) [this.#low, this.#high] = [0, this.#high + 1];
    else this.#spent = true;
    return this.#nonce;
  }
}

/** Seals frames of one direction. Owns the counter; the cipher is the caller's. */
export class FrameSealer {
  readonly #cipher: Cipher;
  readonly #nonces: NonceCounter;

  /** `first` is the first counter, other than 0 for tests of the counter's end only. */
  constructor(cipher: Cipher, direction: Direction, first = 0n) {
    this.#cipher = cipher;
    this.#nonces = new NonceCounter(direction, first);
  }

  /**
   * Seals `bytes[at..at+length)` in place: the frame is `bytes[at-2 .. at+length+16)`.
   * @throws {ProtocolError} when the text is longer than a frame can hold or the counter is used up
   */
  seal(bytes: Uint8Array, at: number, length: number): void {
    if (length > MAX_TEXT) {
      throw new ProtocolError(`Cannot seal a frame of ${length} bytes: at most ${MAX_TEXT} fit`);
    }
    writeU16(bytes, at - HEADER, length + TAG_SIZE);
    this.#cipher.seal(this.#nonces.next(), null, bytes, at, at + length, at + length);
  }
}

/**
 * Finds and opens the frames of one direction in a buffer that the caller fills, in place.
 * No I/O, no clock, no buffer of its own.
 */
export class FrameOpener {
  readonly #cipher: Cipher;
  readonly #nonces: NonceCounter;

  constructor(cipher: Cipher, direction: Direction, first = 0n) {
    this.#cipher = cipher;
    this.#nonces = new NonceCounter(direction, first);
  }

  /**
   * Opens the frames that lie whole in `bytes[start..end)` and writes down where their texts are
   * in `into` (which is filled from 0 and set to this buffer), as many as it takes.
   * Returns where the first byte that was not used lies.
   * @throws {ProtocolError} on an impossible length or a wrong tag: the stream is then dead
   */
  openAll(bytes: Uint8Array, start: number, end: number, into: Packets): number {
    let at = start;
    let count = 0;
    while (count < into.offset.length) {
      const size = frameSize(bytes, at, end);
      if (size === null || at + size > end) break;
      const text = at + HEADER;
      const tagAt = at + size - TAG_SIZE;
      if (!this.#cipher.open(this.#nonces.next(), null, bytes, text, tagAt, tagAt)) {
        throw new ProtocolError("Cannot open a frame: wrong key or damaged bytes", {
          reason: "cannot_open",
        });
      }
      into.offset[count] = text;
      into.length[count] = tagAt - text;
      into.header[count] = 0;
      count++;
      at += size;
    }
    into.bytes = bytes;
    into.count = count;
    return at;
  }
}

/**
 * Size of the frame that begins at `at`, header included; null when its header is not whole yet.
 * @throws {ProtocolError} on a length that cannot be
 */
export function frameSize(bytes: Uint8Array, at: number, end: number): number | null {
  if (end - at < HEADER) return null;
  const body = readU16(bytes, at);
  if (body < TAG_SIZE) {
    throw new ProtocolError(`Cannot read a frame: its length is ${body}, less than a tag`);
  }
  return HEADER + body;
}
