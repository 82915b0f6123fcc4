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
export const MAX_BODY = 0xffff; // largest u16
export const MAX_TEXT = MAX_BODY - TAG_SIZE;

export const CLIENT_TO_SERVER = 0;
export const SERVER_TO_CLIENT = 1;
/** Direction of a frame: the first byte of its nonce. */
export type Direction = typeof CLIENT_TO_SERVER | typeof SERVER_TO_CLIENT;

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

  /** Returns a nonce, valid until the next call. @throws {ProtocolError} when all are used up */
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

/** Seals one direction's frames. Owns the counter; borrows the cipher. */
export class FrameSealer {
  readonly #cipher: Cipher;
  readonly #nonces: NonceCounter;

  /** `first`: the first counter; other than 0 only in tests. */
  constructor(cipher: Cipher, direction: Direction, first = 0n) {
    this.#cipher = cipher;
    this.#nonces = new NonceCounter(direction, first);
  }

  /** Makes the frame `bytes[at-2 .. at+length+16)`. @throws {ProtocolError} if it cannot be sent */
  seal(bytes: Uint8Array, at: number, length: number): void {
    if (length > MAX_TEXT) {
      throw new ProtocolError(`Cannot seal a frame of ${length} bytes: at most ${MAX_TEXT} fit`);
    }
    writeU16(bytes, at - HEADER, length + TAG_SIZE);
    this.#cipher.seal(this.#nonces.next(), null, bytes, at, at + length, at + length);
  }
}

export class FrameOpener {
  readonly #cipher: Cipher;
  readonly #nonces: NonceCounter;

  constructor(cipher: Cipher, direction: Direction, first = 0n) {
    this.#cipher = cipher;
    this.#nonces = new NonceCounter(direction, first);
  }

  /**
   * Opens complete frames in `bytes[start..end)`, at most as many as `into` holds. Returns the
   * offset of the first unused byte. @throws {ProtocolError} on a frame that ends the stream
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
      into.hasHeader[count] = 0;
      count++;
      at += size;
    }
    into.bytes = bytes;
    into.count = count;
    return at;
  }
}

/** Returns the frame's size, null while the header is incomplete. @throws {ProtocolError} */
export function frameSize(bytes: Uint8Array, at: number, end: number): number | null {
  if (end - at < HEADER) return null;
  const body = readU16(bytes, at);
  if (body < TAG_SIZE) {
    throw new ProtocolError(`Cannot read a frame: its length is ${body}, less than a tag`);
  }
  return HEADER + body;
}
