/** A private key that signs (Ed25519, RFC 8032). */
export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Returns 64 bytes, which are the same for the same message. */
  sign(message: Uint8Array): Uint8Array;
}

/** A private key that signs (ECDSA with P-256 and SHA-256, FIPS 186-5), as browsers know it. */
export interface EcdsaSigner {
  /** The point, uncompressed: 65 bytes. */
  readonly publicKey: Uint8Array;
  /** Returns DER. */
  sign(message: Uint8Array): Uint8Array;
}

/** Returns true for a signature of that key; false for anything else, a key that is none included. */
export type VerifySignature = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean;
