import { Buffer } from "node:buffer";
import { createECDH, createPrivateKey, sign } from "node:crypto";
import type { EcdsaSigner } from "../../contract/signature.ts";

/** DER before the 32 secret bytes of a key, and between these and the public key (RFC 5915 section 3). */
const SEC1_PREFIX = Buffer.from("30770201010420", "hex");
const SEC1_MIDDLE = Buffer.from("a00a06082a8648ce3d030107a144034200", "hex");

/** `seed`: 32 secret bytes, of which all but the first bit count. */
export function ecdsaSigner(seed: Uint8Array): EcdsaSigner {
  const { key, publicKey } = read(seed);
  const own = createPrivateKey({ key, format: "der", type: "sec1" });
  return { publicKey, sign: (message) => new Uint8Array(sign("sha256", message, own)) };
}

/** Returns that key in the form in which TLS libraries take it (RFC 5915), without PEM around it. */
export function ecdsaKey(seed: Uint8Array): Uint8Array {
  return new Uint8Array(read(seed).key);
}

function read(seed: Uint8Array): { readonly key: Buffer; readonly publicKey: Uint8Array } {
  const secret = Buffer.from(seed);
  secret[0]! &= 0x7f; // below the order of the curve
  const pair = createECDH("prime256v1");
  pair.setPrivateKey(secret);
  const point = pair.getPublicKey();
  return {
    key: Buffer.concat([SEC1_PREFIX, secret, SEC1_MIDDLE, point]),
    publicKey: new Uint8Array(point),
  };
}
