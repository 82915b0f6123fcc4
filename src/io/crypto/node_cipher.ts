import { createCipheriv, createDecipheriv } from "node:crypto";
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

/**
 * Makes a cipher of node:crypto: native code that needs no permission. Each record allocates a new
 * Deno object, which takes most of its time.
 * @throws {TtunError} `internal` if the key is not 32 bytes long.
 */
export const makeNodeCipher: CipherFactory = (name, key) => new NodeCipher(name, key);

const OPTIONS = { authTagLength: TAG_SIZE };

class NodeCipher implements Cipher {
  readonly tagSize = TAG_SIZE;
  readonly #name: CipherName;
  #key: Uint8Array | null;

  constructor(name: CipherName, key: Uint8Array) {
    checkSize("key", key.length, KEY_SIZE);
    this.#name = name;
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
    const key = this.#check(nonce, buf, start, end, tagAt);
    checkSize("text", from.length, end - start);
    const record = this.#name === "aes-256-gcm"
      ? createCipheriv(this.#name, key, nonce, OPTIONS)
      : createCipheriv(this.#name, key, nonce, OPTIONS);
    if (aad !== null) record.setAAD(aad, { plaintextLength: end - start });
    buf.set(record.update(from), start);
    record.final(); // returns no bytes: both ciphers are stream ciphers
    buf.set(record.getAuthTag(), tagAt);
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
    const key = this.#check(nonce, buf, start, end, tagAt);
    checkRoom(into.length, end - start);
    const record = this.#name === "aes-256-gcm"
      ? createDecipheriv(this.#name, key, nonce, OPTIONS)
      : createDecipheriv(this.#name, key, nonce, OPTIONS);
    record.setAuthTag(buf.subarray(tagAt, tagAt + TAG_SIZE));
    if (aad !== null) record.setAAD(aad, { plaintextLength: end - start });
    const text = record.update(buf.subarray(start, end));
    try {
      record.final();
    } catch (error) {
      if (isTagMismatch(error)) return false;
      throw error;
    }
    into.set(text);
    return true;
  }

  #check(
    nonce: Nonce,
    buf: Uint8Array,
    start: number,
    end: number,
    tagAt: number,
  ): Uint8Array {
    if (this.#key === null) throw new TtunError("internal", "Cannot use a cipher after its end");
    checkSize("nonce", nonce.length, NONCE_SIZE);
    checkSpans(buf.length, start, end, tagAt, TAG_SIZE);
    return this.#key;
  }

  [Symbol.dispose](): void {
    this.#key?.fill(0);
    this.#key = null;
  }
}

/** Recognizes the error by its message, which Node and Deno share; only Deno adds a code. */
function isTagMismatch(error: unknown): boolean {
  return error instanceof Error && error.message.endsWith("unable to authenticate data");
}
