import assert from "node:assert/strict";
import { createPublicKey, X509Certificate } from "node:crypto";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { concat, fromHex } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import { ed25519Signer, verifyEd25519 } from "../../io/crypto/ed25519.ts";
import { type CertificateFields, encodeCertificate, parseCertificate } from "./certificate.ts";
import { decodePem, encodePem } from "./pem.ts";

const AUTHORITY = ed25519Signer(new Uint8Array(32).fill(1));
const NODE = ed25519Signer(new Uint8Array(32).fill(2));

const FIELDS: CertificateFields = {
  serial: fromHex("80112233445566778899aabbccddeeff"),
  issuer: "an authority",
  subject: "a node",
  notBefore: Date.UTC(2026, 0, 2, 3, 4, 5),
  notAfter: Date.UTC(2051, 1, 3, 4, 5, 6),
  publicKey: NODE.publicKey,
  isAuthority: false,
  dnsNames: ["node.invalid"],
  uris: ["ttun-mesh:role/node", "ttun-mesh:host/web-1"],
};

const ENCODED = encodeCertificate(FIELDS, (message) => AUTHORITY.sign(message));

Deno.test("a certificate is read as it was written", () => {
  const { der, signed, signature, ...fields } = parseCertificate(ENCODED);
  assert.deepEqual(fields, FIELDS);
  assert.equal(der, ENCODED);
  assert(verifyEd25519(AUTHORITY.publicKey, signed, signature));
});

Deno.test("node:crypto reads a certificate alike", () => {
  const read = new X509Certificate(Buffer.from(ENCODED));
  assert.match(read.subject, /CN=a node/);
  assert.match(read.issuer, /CN=an authority/);
  assert.equal(Date.parse(read.validFrom), FIELDS.notBefore);
  assert.equal(Date.parse(read.validTo), FIELDS.notAfter);
  assert.equal(read.serialNumber.toLowerCase(), "80112233445566778899aabbccddeeff");
  const spki = createPublicKey({
    key: Buffer.from(encodePem("PUBLIC KEY", spkiOf(NODE.publicKey))),
    format: "pem",
  });
  assert.deepEqual(
    read.publicKey.export({ type: "spki", format: "der" }),
    spki.export({ type: "spki", format: "der" }),
  );
});

function spkiOf(publicKey: Uint8Array): Uint8Array {
  return concat(fromHex("302a300506032b6570032100"), publicKey);
}

Deno.test("an authority is one, and has no names", () => {
  const fields = { ...FIELDS, isAuthority: true, dnsNames: [], uris: [] };
  const read = parseCertificate(encodeCertificate(fields, (m) => AUTHORITY.sign(m)));
  assert(read.isAuthority);
  assert.deepEqual(read.dnsNames, []);
});

Deno.test("a certificate that is cut short or goes on is refused at each byte", () => {
  for (let length = 0; length < ENCODED.length; length++) {
    assert.throws(() => parseCertificate(ENCODED.subarray(0, length)), ProtocolError, `${length}`);
  }
  assert.throws(() => parseCertificate(concat(ENCODED, Uint8Array.of(0))), ProtocolError);
});

Deno.test("a changed bit is refused when the certificate is read, or by its signature", () => {
  for (let bit = 0; bit < ENCODED.length * 8; bit++) {
    const changed = ENCODED.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    try {
      const { signed, signature } = parseCertificate(changed);
      assert(!verifyEd25519(AUTHORITY.publicKey, signed, signature), `bit ${bit}`);
    } catch (error) {
      assert(error instanceof ProtocolError, String(error));
    }
  }
});

Deno.test("arbitrary bytes are refused as a protocol error", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    assert.throws(() => parseCertificate(bytes), ProtocolError);
    assert.throws(() => parseCertificate(concat(ENCODED.subarray(0, 60), bytes)), ProtocolError);
  }));
});

Deno.test("fields of any length come back", () => {
  const text = fc.string({ unit: "grapheme-ascii", maxLength: 200 });
  fc.assert(fc.property(text, fc.array(text, { maxLength: 4 }), (subject, uris) => {
    const fields = { ...FIELDS, subject, uris };
    const read = parseCertificate(encodeCertificate(fields, (m) => AUTHORITY.sign(m)));
    assert.equal(read.subject, subject);
    assert.deepEqual(read.uris, uris);
  }));
});

Deno.test("PEM is read as it was written, also among other text", () => {
  assert.deepEqual(decodePem("CERTIFICATE", `x\n${encodePem("CERTIFICATE", ENCODED)}y`), ENCODED);
  assert.equal(decodePem("CERTIFICATE", encodePem("PRIVATE KEY", ENCODED)), null);
  assert.equal(decodePem("CERTIFICATE", ""), null);
});
