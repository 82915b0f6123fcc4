import { TtunError } from "../../src/base/errors.ts";
import { cString } from "../native.ts";
import type { LibsslSymbols } from "./libssl_table.ts";
import { takeError } from "./tls_failure.ts";

/** These constants are of openssl/x509.h, asn1.h and obj_mac.h. */
const X509_VERSION_3 = 2n;
const MBSTRING_ASC = 0x1001;
const NID_SUBJECT_ALT_NAME = 85;
const NID_EXT_KEY_USAGE = 126;

const DAY_SECONDS = 86_400n;
const DIGEST_SIZE = 32;

/** SHA-256 of a certificate (DER). */
export function digestOf(call: LibsslSymbols, certificate: Deno.PointerValue): Uint8Array {
  return hashOf(call, certificate, call.EVP_sha256());
}

/** BLAKE2s-256 of a certificate (DER), to which links are bound (docs/wire/link-v2.md, B). */
export function bindingOf(call: LibsslSymbols, certificate: Deno.PointerValue): Uint8Array {
  return hashOf(call, certificate, call.EVP_blake2s256());
}

/** `hash` gives 32 bytes. */
function hashOf(
  call: LibsslSymbols,
  certificate: Deno.PointerValue,
  hash: Deno.PointerValue,
): Uint8Array {
  const digest = new Uint8Array(DIGEST_SIZE);
  const size = new Uint32Array(1);
  const bytes = new Uint8Array(size.buffer);
  call.X509_digest(certificate, hash, digest, bytes);
  return digest;
}

/** A certificate and its key; the caller frees them by dispose. */
export interface OwnCertificate extends Disposable {
  readonly certificate: Deno.PointerValue;
  readonly key: Deno.PointerValue;
}

/** Makes a self-signed Ed25519 certificate for a name, a week long. @throws {TtunError} system */
export function makeCertificate(call: LibsslSymbols, name: string): OwnCertificate {
  using owned = new DisposableStack();
  const fail = () => {
    throw new TtunError("system", `Cannot make a certificate: ${takeError(call)}`);
  };
  const must = (result: number) => result > 0 || fail();
  const have = (pointer: Deno.PointerValue, free: (pointer: Deno.PointerValue) => void) =>
    owned.adopt(pointer ?? fail(), free);
  const maker = have(
    call.EVP_PKEY_CTX_new_from_name(null, cString("ED25519"), null),
    call.EVP_PKEY_CTX_free,
  );
  must(call.EVP_PKEY_keygen_init(maker));
  const made = new BigUint64Array(1);
  must(call.EVP_PKEY_generate(maker, new Uint8Array(made.buffer)));
  const key = have(Deno.UnsafePointer.create(made[0]!), call.EVP_PKEY_free);
  const certificate = have(call.X509_new(), call.X509_free);
  must(call.X509_set_version(certificate, X509_VERSION_3));
  const serial = crypto.getRandomValues(new BigUint64Array(1))[0]! >> 1n;
  must(call.ASN1_INTEGER_set_uint64(call.X509_get_serialNumber(certificate), serial));
  call.X509_gmtime_adj(call.X509_getm_notBefore(certificate), -DAY_SECONDS); // clocks differ
  call.X509_gmtime_adj(call.X509_getm_notAfter(certificate), 7n * DAY_SECONDS);
  const subject = call.X509_get_subject_name(certificate);
  const text = cString(name);
  must(call.X509_NAME_add_entry_by_txt(subject, cString("O"), MBSTRING_ASC, text, -1, -1, 0));
  must(call.X509_set_issuer_name(certificate, subject));
  must(call.X509_set_pubkey(certificate, key));
  for (
    const [nid, value] of [
      [NID_SUBJECT_ALT_NAME, `DNS:${name}`],
      [NID_EXT_KEY_USAGE, "serverAuth"],
    ] as const
  ) {
    const extension = have(
      call.X509V3_EXT_conf_nid(null, null, nid, cString(value)),
      call.X509_EXTENSION_free,
    );
    must(call.X509_add_ext(certificate, extension, -1)); // a copy
  }
  must(call.X509_sign(certificate, key, null));
  const kept = owned.move();
  return { certificate, key, [Symbol.dispose]: () => kept.dispose() };
}
