import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac, createPublicKey, verify } from "node:crypto";
import { seededRng } from "../../../tests/fake/rng.ts";
import { decodeBase64Url } from "../../base/base64url.ts";
import { utf8 } from "../../base/bytes.ts";
import { ecdsaSigner } from "../../io/crypto/ecdsa.ts";
import { bindAccount, challengeText, jwkOf, signRequest } from "./jws.ts";

const rng = seededRng(1);
const decoded = (text: string) => JSON.parse(new TextDecoder().decode(decodeBase64Url(text)!));

Deno.test("ACME: signed requests are such as others verify, whatever the numbers of the signature", () => {
  for (let i = 0; i < 200; i++) { // some numbers are shorter than others
    const signer = ecdsaSigner(rng(32));
    const head = {
      url: "https://ca.test/order",
      nonce: `n${i}`,
      account: i % 2 ? "https://a" : null,
    };
    const body = JSON.parse(signRequest(i % 3 ? { i } : null, head, signer));
    const key = createPublicKey({ key: { ...jwkOf(signer.publicKey) }, format: "jwk" });
    const signed = utf8(`${body.protected}.${body.payload}`);
    const signature = decodeBase64Url(body.signature)!;
    assert.equal(signature.length, 64);
    assert(verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, signature));
    const { alg, kid, jwk, url, nonce } = decoded(body.protected);
    assert.deepEqual([alg, url, nonce], ["ES256", head.url, head.nonce]);
    assert.deepEqual(
      [kid, jwk],
      i % 2 ? ["https://a", undefined] : [undefined, {
        ...jwkOf(signer.publicKey),
      }],
    );
    assert.equal(body.payload === "", i % 3 === 0);
  }
});

Deno.test("ACME: the hash of a key and the text of a challenge", () => {
  // The key of RFC 7517 appendix A.1; its hash by node:crypto.
  const x = decodeBase64Url("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4")!;
  const y = decodeBase64Url("4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM")!;
  const point = Uint8Array.from([4, ...x, ...y]);
  const jwk = createPublicKey({ key: { ...jwkOf(point) }, format: "jwk" }).export({
    format: "jwk",
  });
  assert.deepEqual({ ...jwk }, { ...jwkOf(point) });
  assert.equal(
    JSON.stringify(jwkOf(point)),
    '{"crv":"P-256","kty":"EC","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}',
  );
  assert.match(challengeText("token", point), /^[A-Za-z0-9_-]{43}$/);
});

Deno.test("ACME: an account is bound to that of a customer", () => {
  const { publicKey } = ecdsaSigner(rng(32));
  const key = rng(32);
  const bound = bindAccount(publicKey, { id: "kid-1", key }, "https://ca.test/new");
  const mac = createHmac("sha256", key).update(`${bound.protected}.${bound.payload}`);
  assert.equal(bound.signature, Buffer.from(mac.digest()).toString("base64url"));
  assert.deepEqual(decoded(bound.protected), {
    alg: "HS256",
    kid: "kid-1",
    url: "https://ca.test/new",
  });
  assert.deepEqual(decoded(bound.payload), { ...jwkOf(publicKey) });
});
