interface CipherParameters {
  /** Number in TLV 02 (docs/wire/link-v2.md), never given to another cipher. */
  readonly wireNumber: number;
  /** Bytes of key used: the first ones of the 32 that every factory is given. */
  readonly keySize: number;
}

/** AEADs by the name that users, OpenSSL and node:crypto know; the default first. */
export const CIPHERS = {
  "chacha20-poly1305": { wireNumber: 1, keySize: 32 }, // RFC 8439 section 2.8
  "aes-256-gcm": { wireNumber: 2, keySize: 32 }, // NIST SP 800-38D
} as const satisfies Record<string, CipherParameters>;

export type CipherName = keyof typeof CIPHERS;

export const CIPHER_NAMES: readonly CipherName[] = Object.keys(CIPHERS) as CipherName[];

export const KEY_SIZE = 32;
export const NONCE_SIZE = 12;
export const TAG_SIZE = 16;

/** Bytes of a nonce, never used twice with one key. */
export type Nonce = Uint8Array;

/**
 * A synchronous AEAD under one key. The text `buf[start..end)` is replaced by its counterpart; the
 * tag, `buf[tagAt..tagAt+16)`, lies wholly before `start` or from `end` on. Arguments are borrowed.
 */
export interface Cipher extends Disposable {
  readonly tagSize: number;
  /** Seals the text. `from`: the text, as long, where it is not in `buf` yet. */
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
   * Opens the text; false = wrong tag: the text, perhaps decrypted already, must not be read then.
   * `into`: gets the text at its front and has room for it; `buf` then stays as it is.
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
