import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import type { Signer, VerifySignature } from "../../contract/signature.ts";

/** DER before the 32 raw bytes of a key (RFC 8410 sections 4 and 7). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** `seed`: the 32 secret bytes of a private key (RFC 8032 section 5.1.5). */
export function ed25519Signer(seed: Uint8Array): Signer {
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, seed]),
    format: "der",
    type: "pkcs8",
  });
  const spki = createPublicKey(key as unknown as string).export({ type: "spki", format: "der" });
  return {
    publicKey: new Uint8Array(spki.subarray(SPKI_PREFIX.length)),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}

export const verifyEd25519: VerifySignature = (publicKey, message, signature) => {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  try {
    const key = Buffer.concat([SPKI_PREFIX, publicKey]);
    const spki = createPublicKey({ key, format: "der", type: "spki" });
    return verify(null, message, spki, signature);
  } catch {
    return false; // the key is no point of the curve
  }
};
