import { Buffer } from "node:buffer";
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { TtunError } from "../../base/errors.ts";

/** DER encoding before the 32 raw bytes of a public key (RFC 8410 section 4). */
const SPKI_PREFIX = Buffer.from("302a300506032b656e032100", "hex");
/** DER encoding before the 32 raw bytes of a private key (section 7). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");

export const nodeKeyExchange = {
  newKeyPair() {
    const { publicKey, privateKey } = generateKeyPairSync("x25519");
    const der = publicKey.export({ type: "spki", format: "der" });
    return {
      publicKey: new Uint8Array(der.subarray(SPKI_PREFIX.length)),
      /** @throws {TtunError} `auth` for a point of low order */
      shared: (theirs: Uint8Array): Uint8Array => exchange(privateKey, theirs),
    };
  },
};

/** X25519 with the 32 bytes of a private key. @throws {TtunError} `auth` for a point of low order */
export function sharedSecret(ours: Uint8Array, theirs: Uint8Array): Uint8Array {
  const key = Buffer.concat([PKCS8_PREFIX, ours]);
  return exchange(createPrivateKey({ key, format: "der", type: "pkcs8" }), theirs);
}

function exchange(privateKey: KeyObject, theirs: Uint8Array): Uint8Array {
  try {
    const key = createPublicKey({
      key: Buffer.concat([SPKI_PREFIX, theirs]),
      format: "der",
      type: "spki",
    });
    return new Uint8Array(diffieHellman({ privateKey, publicKey: key }));
  } catch (cause) {
    throw new TtunError("auth", "Cannot authenticate the peer: its public key is not one", {
      cause,
    });
  }
}
