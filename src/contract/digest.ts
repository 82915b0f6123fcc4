/** SHA-256 (FIPS 180-4) of bytes that come one after the other. */
export interface Digest {
  /** `bytes` is borrowed for the call. */
  update(bytes: Uint8Array): void;
  /** To be called once, at the end. Returns 32 bytes. */
  digest(): Uint8Array;
}

export type MakeDigest = () => Digest;
