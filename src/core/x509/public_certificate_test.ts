import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import fc from "fast-check";
import { seededRng } from "../../../tests/fake/rng.ts";
import { concat, fromHex, toHex, utf8 } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import { ecdsaSigner } from "../../io/crypto/ecdsa.ts";
import { jwkOf } from "../acme/jws.ts";
import { DerReader } from "./der_reader.ts";
import { TAG } from "./der_writer.ts";
import { decodePem } from "./pem.ts";
import { readPublicCertificate } from "./public_certificate.ts";
import { encodeRequest } from "./request.ts";

/** RFC 9773 appendix A, whose times are of the year 1: here of 2026. */
const EXAMPLE = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----`;

function example(): Uint8Array {
  const bytes = decodePem("CERTIFICATE", EXAMPLE)!;
  return fromHex(toHex(bytes).replaceAll(toHex(utf8("0001")), toHex(utf8("2026"))));
}

Deno.test("a public certificate: its key, its time, and its name at the authority", () => {
  const read = readPublicCertificate(example());
  assert.equal(read.renewalId, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
  assert.equal(read.notAfter, Date.UTC(2026, 0, 1));
  assert.equal(toHex(read.publicKey!).slice(0, 10), "0478166eed");
  assert.deepEqual(read.dnsNames, []);
});

Deno.test("a public certificate: whatever is wrong with one, it is said so", () => {
  const whole = example();
  for (let size = 0; size < whole.length; size++) {
    assert.throws(() => readPublicCertificate(whole.subarray(0, size)), ProtocolError);
  }
  const changed = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(changed, { minLength: 1, maxLength: 3 }), (changes) => {
      const bytes = whole.slice();
      for (const [at, value] of changes) bytes[at] = value;
      try {
        readPublicCertificate(bytes);
      } catch (error) {
        assert(error instanceof ProtocolError, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("a request for a certificate is signed by its key, and has all names", () => {
  const signer = ecdsaSigner(seededRng(1)(32));
  const names = ["example.net", "*.example.net"];
  const bytes = encodeRequest(names, signer);
  const outer = new DerReader(bytes).inside(TAG.sequence);
  const signed = outer.any().whole;
  outer.any();
  const signature = outer.take(TAG.bitString).subarray(1);
  const key = createPublicKey({ key: { ...jwkOf(signer.publicKey) }, format: "jwk" });
  assert(verify("sha256", signed, key, signature));
  const text = toHex(bytes);
  for (const name of names) {
    assert(text.includes(toHex(concat(Uint8Array.of(0x82, name.length), utf8(name)))));
  }
});
