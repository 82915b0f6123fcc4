/** An AEAD's properties apart from its primitive, which core/cipher/aeads.ts has. */
interface CipherParameters {
  /** Its number on the wire (TLV 02 of docs/wire/link-v2.md), never given to another. */
  readonly wireNumber: number;
  /** Bytes of key that it takes: the first ones of the 32 that every factory is given. */
  readonly keySize: number;
}

/** AEADs by the name that users, the wire, OpenSSL and node:crypto know; the default first. */
export const CIPHERS = {
  "chacha20-poly1305": { wireNumber: 1, keySize: 32 }, // RFC 8439 section 2.8
  "aes-256-gcm": { wireNumber: 2, keySize: 32 }, // NIST SP 800-38D
} as const satisfies Record<string, CipherParameters>;

export type CipherName = keyof typeof CIPHERS;

/** All of them, the default first. */
export const CIPHER_NAMES: readonly CipherName[] = Object.keys(CIPHERS) as CipherName[];

/** Bytes of the key that a factory is given, whatever part of it the AEAD takes. */
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
