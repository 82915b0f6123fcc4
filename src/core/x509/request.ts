import { concat, fromHex, utf8 } from "../../base/bytes.ts";
import type { EcdsaSigner } from "../../contract/signature.ts";
import {
  bitString,
  contextTag,
  der,
  integer,
  octetString,
  oid,
  sequence,
  TAG,
} from "./der_writer.ts";

const ECDSA = sequence(oid("1.2.840.10045.4.3.2"));
const EXTENSION_REQUEST = oid("1.2.840.113549.1.9.14");
const ALTERNATIVE_NAME = oid("2.5.29.17");
const P256_PREFIX = fromHex("3059301306072a8648ce3d020106082a8648ce3d030107034200");

/** Asks an authority for a certificate (PKCS #10, RFC 2986) of names, whose subject is empty. */
export function encodeRequest(names: readonly string[], signer: EcdsaSigner): Uint8Array {
  const alternatives = sequence(...names.map((name) => der(contextTag(2, false), utf8(name))));
  const extensions = sequence(sequence(ALTERNATIVE_NAME, octetString(alternatives)));
  const asked = sequence(
    integer(Uint8Array.of(0)),
    sequence(),
    concat(P256_PREFIX, signer.publicKey),
    der(contextTag(0, true), sequence(EXTENSION_REQUEST, der(TAG.set, extensions))),
  );
  return sequence(asked, ECDSA, bitString(signer.sign(asked)));
}
