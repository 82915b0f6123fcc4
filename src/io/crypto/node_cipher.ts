import {
  type CipherChaCha20Poly1305Types,
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  getCiphers,
} from "node:crypto";
import { checkRoom, checkSize, checkSpans } from "../../base/aead_bounds.ts";
import { TtunError } from "../../base/errors.ts";
import {
  type Cipher,
  CIPHER_NAMES,
  type CipherFactory,
  type CipherName,
  CIPHERS,
  KEY_SIZE,
  type Nonce,
  NONCE_SIZE,
  TAG_SIZE,
} from "../../contract/cipher.ts";

/**
 * Needs no permission, but allocates a Deno object per record, which takes most of its time.
 * @throws {TtunError} `internal` if the key is not 32 bytes long
 */
export const makeNodeCipher: CipherFactory = (name, key) => new NodeCipher(name, key);

const OPTIONS = { authTagLength: TAG_SIZE };

/** Returns a cipher that this Deno's `node:crypto` lacks, as that of 2.4 does; null = none. */
export function missingNodeCipher(): CipherName | null {
  const known = getCiphers();
  return CIPHER_NAMES.find((name) => !known.includes(name)) ?? null;
}

class NodeCipher implements Cipher {
  readonly tagSize = TAG_SIZE;
  readonly #algorithm: CipherGCMTypes;
  #key: Uint8Array | null;

  constructor(name: CipherName, key: Uint8Array) {
    checkSize("key", key.length, KEY_SIZE);
    const algorithm: CipherGCMTypes | CipherChaCha20Poly1305Types = name; // node:crypto's own names
    this.#algorithm = algorithm as CipherGCMTypes; // there is one overload for each of the two types
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
    const key = this.#check(nonce, buf, start, end, tagAt);
    checkSize("text", from.length, end - start);
    const record = createCipheriv(this.#algorithm, key, nonce, OPTIONS);
    if (aad !== null) record.setAAD(aad, { plaintextLength: end - start });
    buf.set(record.update(from), start);
    record.final(); // returns no bytes: AEADs are stream ciphers
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
    const record = createDecipheriv(this.#algorithm, key, nonce, OPTIONS);
    record.setAuthTag(buf.subarray(tagAt, tagAt + TAG_SIZE));
    if (aad !== null) record.setAAD(aad, { plaintextLength: end - start });
    const text = record.update(buf.subarray(start, end));
    try {
      record.final();
    } catch {
      return false; // everything else is checked above: only the tag is left to be wrong
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
