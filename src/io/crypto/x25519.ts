import { Buffer } from "node:buffer";
import { createPublicKey, diffieHellman, generateKeyPairSync } from "node:crypto";
import { TtunError } from "../../base/errors.ts";

/** DER encoding before the 32 raw bytes of a public key (RFC 8410 section 4). */
const SPKI_PREFIX = Buffer.from("302a300506032b656e032100", "hex");

export const nodeKeyExchange = {
  newKeyPair() {
    const { publicKey, privateKey } = generateKeyPairSync("x25519");
    const der = publicKey.export({ type: "spki", format: "der" });
    return {
      publicKey: new Uint8Array(der.subarray(SPKI_PREFIX.length)),
      /** @throws {TtunError} `auth` for a point of low order */
      shared(theirs: Uint8Array): Uint8Array {
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
      },
    };
  },
};
