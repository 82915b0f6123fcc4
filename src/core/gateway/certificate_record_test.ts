import assert from "node:assert/strict";
import { seededRng } from "../../../tests/fake/rng.ts";
import { utf8 } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import {
  decodeAccount,
  decodeCertificateRecord,
  encodeAccount,
  encodeCertificateRecord,
  openRecord,
  sealRecord,
} from "./certificate_record.ts";

const rng = seededRng(1);

Deno.test("a certificate's record is what was written, sealed for its key and the cluster alone", () => {
  const kept = {
    chain: ["one", "two"],
    seed: rng(32),
    ...{ notBefore: 1, notAfter: 2, issuedAt: 5, renewAt: 3, askAt: 4 },
  };
  for (
    const record of [
      { kept, attempt: null },
      { kept: null, attempt: { count: 2, until: 5, words: "no" } },
      { kept, attempt: { count: 1, until: 5, words: null } },
      { kept: null, attempt: null },
    ]
  ) {
    assert.deepEqual(decodeCertificateRecord(encodeCertificateRecord(record)), record);
  }
  const [old, secret, other] = [rng(32), rng(32), rng(32)];
  const sealed = sealRecord(utf8("secret"), { key: "cert/a", secret, rng });
  const open = (key: string, secrets: Uint8Array[]) => openRecord(sealed, { key, secrets });
  assert.deepEqual(open("cert/a", [secret, old]), { bytes: utf8("secret"), isOld: false });
  assert.deepEqual(open("cert/a", [other, secret]), { bytes: utf8("secret"), isOld: true });
  assert.throws(() => open("cert/b", [secret]), ProtocolError);
  assert.throws(() => open("cert/a", [other]), ProtocolError);
  assert.throws(() => openRecord(utf8("anything"), { key: "cert/a", secrets: [secret] }));
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice();
    changed[at]! ^= 1;
    assert.throws(() => openRecord(changed, { key: "cert/a", secrets: [secret] }), ProtocolError);
  }
});

Deno.test("an account's record", () => {
  for (const account of [{ seed: rng(32), url: null }, { seed: rng(32), url: "https://a/1" }]) {
    assert.deepEqual(decodeAccount(encodeAccount(account)), account);
  }
  for (const text of ["", "{}", '{"seed":"AA","url":""}', "[]", '{"seed":1}']) {
    assert.throws(() => decodeAccount(utf8(text)), ProtocolError, text);
    assert.throws(
      () => decodeCertificateRecord(utf8(`{"kept":${text || 1}}`)),
      ProtocolError,
      text,
    );
  }
});
