import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";
import { fromHex } from "../../src/base/bytes.ts";
import type { KeyExchange } from "../../src/core/link/v2/secrets.ts";

const PKCS8_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b656e032100", "hex");

/** X25519 with a given private key (RFC 7748), by node:crypto. */
export function fixedKey(privateHex: string): KeyExchange {
  const key = Buffer.concat([PKCS8_PREFIX, fromHex(privateHex)]);
  const privateKey = createPrivateKey({ key, format: "der", type: "pkcs8" });
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  return {
    newKeyPair: () => ({
      publicKey: new Uint8Array(spki.subarray(SPKI_PREFIX.length)),
      shared: (theirs) => {
        const key = Buffer.concat([SPKI_PREFIX, theirs]);
        const publicKey = createPublicKey({ key, format: "der", type: "spki" });
        return new Uint8Array(diffieHellman({ privateKey, publicKey }));
      },
    }),
  };
}
