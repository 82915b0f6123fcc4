/** AEAD names as users and the wire's specification spell them. */
export type CipherName = "chacha20-poly1305" | "aes-256-gcm";

/** All of them, the default first. */
export const CIPHER_NAMES: readonly CipherName[] = ["chacha20-poly1305", "aes-256-gcm"];

/** Both AEADs: 32-byte key, 12-byte nonce, 16-byte tag (RFC 8439; NIST SP 800-38D). */
export const KEY_SIZE = 32;
/** Bytes of a nonce. */
export const NONCE_SIZE = 12;
/** Bytes of a tag. */
export const TAG_SIZE = 16;

/** 12 bytes that are never used twice with one key. */
export type Nonce = Uint8Array;

/**
 * An AEAD under one key, synchronous; in place, or without a copy from one buffer to another.
 *
 * `buf[start..end)` is the text, replaced by its counterpart; `buf[tagAt..tagAt+16)` is the tag,
 * which must lie wholly before `start` or from `end` on. All arguments are borrowed for the call.
 */
export interface Cipher extends Disposable {
  readonly tagSize: number;
  /** Seals the text and writes the tag. `from`: the text, as long, where it is not in `buf` yet. */
  seal(
    nonce: Nonce,
    aad: Uint8Array | null,
    buf: Uint8Array,
    start: number,
    end: number,
    tagAt: number,
    from?: Uint8Array,
  ): void;
  /**
   * Opens the text if the tag is right. On `false` the text's bytes are undefined (some
   * implementations have already decrypted them): the caller must not look at them. `into`: to the
   * front of it the text goes, and there is room for it; `buf` then stays as it is.
   */
  open(
    nonce: Nonce,
    aad: Uint8Array | null,
    buf: Uint8Array,
    start: number,
    end: number,
    tagAt: number,
    into?: Uint8Array,
  ): boolean;
}

/** Makes a cipher; the 32-byte key is copied where it is kept. */
export type CipherFactory = (name: CipherName, key: Uint8Array) => Cipher;
