import { checkRoom, checkSize, checkSpans } from "../../base/aead_bounds.ts";
import { TtunError } from "../../base/errors.ts";
import {
  type Cipher,
  type CipherFactory,
  type CipherName,
  CIPHERS,
  KEY_SIZE,
  type Nonce,
  NONCE_SIZE,
  TAG_SIZE,
} from "../../contract/cipher.ts";
import { type Aead, AEADS } from "./aeads.ts";

/** Makes ciphers without native code. @throws {TtunError} on a key of another size */
export const makePureCipher: CipherFactory = (name, key) => new PureCipher(name, key);

class PureCipher implements Cipher {
  readonly tagSize = TAG_SIZE;
  readonly #aead: Aead;
  #key: Uint8Array | null;

  constructor(name: CipherName, key: Uint8Array) {
    checkSize("key", key.length, KEY_SIZE);
    this.#aead = AEADS[name].aead;
    this.#key = key.slice(0, CIPHERS[name].keySize);
  }

  seal(
    nonce: Nonce,
    aad: Uint8Array | null,
    buf: Uint8Array,
    start: number,
    end: number,
    tagAt: number,
    from: Uint8Array = buf.subarray(start, end),
  ): void {
    const record = this.#record(nonce, aad);
    checkSpans(buf.length, start, end, tagAt, TAG_SIZE);
    const size = end - start;
    checkSize("text", from.length, size);
    const sealed = record.encrypt(from);
    buf.set(sealed.subarray(0, size), start);
    buf.set(sealed.subarray(size), tagAt);
  }

  open(
    nonce: Nonce,
    aad: Uint8Array | null,
    buf: Uint8Array,
    start: number,
    end: number,
    tagAt: number,
    into: Uint8Array = buf.subarray(start, end),
  ): boolean {
    const record = this.#record(nonce, aad);
    checkSpans(buf.length, start, end, tagAt, TAG_SIZE);
    const size = end - start;
    checkRoom(into.length, size);
    const sealed = new Uint8Array(size + TAG_SIZE);
    sealed.set(buf.subarray(start, end));
    sealed.set(buf.subarray(tagAt, tagAt + TAG_SIZE), size);
    try {
      into.set(record.decrypt(sealed));
      return true;
    } catch (error) {
      if (error instanceof RangeError) throw error; // out of memory
      return false; // sizes are checked above: only the tag is left to be wrong
    }
  }

  /** noble takes each instance for one record only, as a guard against a nonce used twice. */
  #record(nonce: Nonce, aad: Uint8Array | null): ReturnType<Aead> {
    if (this.#key === null) throw new TtunError("internal", "Cannot use a cipher after its end");
    checkSize("nonce", nonce.length, NONCE_SIZE);
    return this.#aead(this.#key, nonce, aad ?? undefined);
  }

  [Symbol.dispose](): void {
    this.#key?.fill(0);
    this.#key = null;
  }
}
