import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { checkRoom, checkSize, checkSpans } from "../../base/aead_bounds.ts";
import { TtunError } from "../../base/errors.ts";
import {
  type Cipher,
  type CipherFactory,
  type CipherName,
  KEY_SIZE,
  type Nonce,
  NONCE_SIZE,
  TAG_SIZE,
} from "../../contract/cipher.ts";

/** An AEAD for one record. Sealed bytes are the text's counterpart followed by the tag. */
type Aead = (key: Uint8Array, nonce: Uint8Array, aad?: Uint8Array) => {
  encrypt(text: Uint8Array): Uint8Array;
  decrypt(sealed: Uint8Array): Uint8Array;
};

/** The only list of ciphers: what is not here cannot be spoken. */
const AEADS: Readonly<Record<CipherName, Aead>> = {
  "chacha20-poly1305": chacha20poly1305, // RFC 8439 section 2.8
  "aes-256-gcm": gcm, // NIST SP 800-38D
};

/**
 * Ciphers in TypeScript alone: there on every platform, with no permission. The slowest of the
 * implementations, and the one that the others are checked against.
 * @throws {TtunError} `internal` when the key has not 32 bytes.
 */
export const makePureCipher: CipherFactory = (name, key) => new PureCipher(AEADS[name], key);

class PureCipher implements Cipher {
  readonly tagSize = TAG_SIZE;
  readonly #aead: Aead;
  #key: Uint8Array | null;

  constructor(aead: Aead, key: Uint8Array) {
    checkSize("key", key.length, KEY_SIZE);
    this.#aead = aead;
    this.#key = key.slice();
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
      if (isTagMismatch(error)) return false;
      throw error;
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

/** noble throws a plain Error for a wrong tag and tells it apart by its text alone. */
function isTagMismatch(error: unknown): boolean {
  return error instanceof Error && error.message.endsWith("invalid tag");
}
