import { chacha20 } from "@noble/ciphers/chacha.js";
import { readU16, writeU16 } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import {
  type Cipher,
  type CipherFactory,
  type CipherName,
  NONCE_SIZE,
  TAG_SIZE,
} from "../../../contract/cipher.ts";
import { derive } from "./secrets.ts";

/**
 * Records of link version 2 (docs/wire/link-v2.md, "Record"):
 *
 *     u16 (n XOR mask), big-endian | n bytes: ciphertext, then the 16-byte tag
 *
 * The nonce is `00 00 00 00 | counter (u64)`. The mask of record i is bytes 2i and 2i+1 of a
 * ChaCha20 key stream, so that lengths look random.
 */
export const RECORD_HEADER = 2;
export const RECORD_TAG = TAG_SIZE;
export const MAX_RECORD_BODY = 0xffff;
export const MAX_RECORD_TEXT = MAX_RECORD_BODY - RECORD_TAG;
const MIN_RECORD_BODY = RECORD_TAG + 1;

/** Number of masks computed at once: 16 blocks of ChaCha20. */
const MASKS_AT_ONCE = 512;
const BLOCK = 64;

const MAX_COUNTER = 0xffff_ffff;

/** One generation of a direction's keys: cipher key, masks and the counter of both. */
class Generation implements Disposable {
  readonly cipher: Cipher;
  readonly next: Uint8Array;
  readonly #maskKey: Uint8Array;
  readonly #masks = new Uint8Array(2 * MASKS_AT_ONCE);
  readonly #nonce = new Uint8Array(NONCE_SIZE);
  readonly #nonceView = new DataView(this.#nonce.buffer);
  /** Number of the record that the first mask is for. */
  #masksFrom = -1;
  #counter: number;

  constructor(secret: Uint8Array, name: CipherName, makeCipher: CipherFactory, counter = 0) {
    this.#counter = counter;
    const key = derive(secret, "key");
    this.cipher = makeCipher(name, key);
    key.fill(0);
    this.#maskKey = derive(secret, "mask");
    this.next = derive(secret, "next");
  }

  get counter(): number {
    return this.#counter;
  }

  /** Returns the next record's mask, without using it up. */
  mask(): number {
    const at = this.#counter % MASKS_AT_ONCE;
    if (this.#masksFrom !== this.#counter - at) this.#fillMasks(this.#counter - at);
    return readU16(this.#masks, 2 * at);
  }

  #fillMasks(from: number): void {
    this.#masks.fill(0);
    chacha20(this.#maskKey, new Uint8Array(NONCE_SIZE), this.#masks, this.#masks, from * 2 / BLOCK);
    this.#masksFrom = from;
  }

  /** Returns the next record's nonce and uses it up. Valid until the next call. */
  nonce(): Uint8Array {
    if (this.#counter > MAX_COUNTER) {
      throw new ProtocolError("Cannot go on: the record counter is used up without a rekey");
    }
    this.#nonceView.setUint32(8, this.#counter++);
    return this.#nonce;
  }

  [Symbol.dispose](): void {
    this.cipher[Symbol.dispose]();
    this.#maskKey.fill(0);
    this.#masks.fill(0);
    this.next.fill(0);
  }
}

abstract class RecordDirection implements Disposable {
  readonly #name: CipherName;
  readonly #makeCipher: CipherFactory;
  #generation: Generation;
  #isOver = false;

  /** `secret`: D, 32 bytes, borrowed. `counter`: the first one; other than 0 only in tests. */
  constructor(secret: Uint8Array, name: CipherName, makeCipher: CipherFactory, counter = 0) {
    this.#name = name;
    this.#makeCipher = makeCipher;
    this.#generation = new Generation(secret, name, makeCipher, counter);
  }

  /** Number of records of this generation so far. */
  get counter(): number {
    return this.#generation.counter;
  }

  /** Throws after dispose: the overwritten secret would make keys that everybody knows. */
  protected get generation(): Generation {
    if (this.#isOver) throw new TtunError("internal", "Cannot use a record's keys after their end");
    return this.#generation;
  }

  /** Changes the keys, from the next record on, and overwrites the old ones. */
  rekey(): void {
    const old = this.generation;
    this.#generation = new Generation(old.next, this.#name, this.#makeCipher);
    old[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#generation[Symbol.dispose]();
  }
}

export class RecordSealer extends RecordDirection {
  /** Makes the record `bytes[at-2 .. at+length+16)`. @throws {ProtocolError} if it is too long */
  seal(bytes: Uint8Array, at: number, length: number): void {
    if (length < 1 || length > MAX_RECORD_TEXT) {
      throw new ProtocolError(
        `Cannot seal a record of ${length} bytes: 1 to ${MAX_RECORD_TEXT} fit`,
      );
    }
    writeU16(bytes, at - RECORD_HEADER, (length + RECORD_TAG) ^ this.generation.mask());
    const { cipher } = this.generation;
    cipher.seal(this.generation.nonce(), null, bytes, at, at + length, at + length);
  }
}

/** Opens one direction's records, none after a failure: no later one may take its place. */
export class RecordOpener extends RecordDirection {
  #isDamaged = false;

  /** Returns the record's size, null while its header is incomplete. @throws {ProtocolError} */
  sizeAt(bytes: Uint8Array, at: number, end: number, most = MAX_RECORD_BODY): number | null {
    if (end - at < RECORD_HEADER) return null;
    const body = readU16(bytes, at) ^ this.generation.mask();
    if (this.#isDamaged || body < MIN_RECORD_BODY || body > most) throw this.#damaged();
    return RECORD_HEADER + body;
  }

  /** Opens a record in place; its text is `bytes[at+2 .. at+size-16)`. */
  open(bytes: Uint8Array, at: number, size: number): void {
    const tagAt = at + size - RECORD_TAG;
    const { cipher } = this.generation;
    if (this.#isDamaged) throw this.#damaged();
    if (!cipher.open(this.generation.nonce(), null, bytes, at + RECORD_HEADER, tagAt, tagAt)) {
      throw this.#damaged();
    }
  }

  /** A wrong length and a wrong tag look alike to an attacker. */
  #damaged(): ProtocolError {
    this.#isDamaged = true;
    return new ProtocolError("Cannot open a record: wrong key or damaged bytes", {
      reason: "cannot_open",
    });
  }
}
