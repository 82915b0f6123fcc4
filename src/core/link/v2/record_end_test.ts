import assert from "node:assert/strict";
import { CountedCiphers } from "../../../../tests/fake/ciphers.ts";
import { recordsIn } from "../../../../tests/fake/link_session.ts";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { toHex } from "../../../base/bytes.ts";
import type { CipherFactory } from "../../../contract/cipher.ts";
import { makePureCipher } from "../../cipher/pure_cipher.ts";
import { sealText } from "./key_schedule.ts";
import { RecordOpener, RecordSealer } from "./record.ts";

const SECRET = seededRng(1)(32);
const TEXT = new Uint8Array([1, 2, 3]);
const internal = { name: "TtunError", kind: "internal" };

Deno.test("a rekey disposes of the old keys, and an end of the last ones", () => {
  for (const Direction of [RecordSealer, RecordOpener]) {
    const ciphers = new CountedCiphers();
    const one = new Direction(SECRET, "aes-256-gcm", ciphers.factory);
    assert.equal(ciphers.live, 1);
    for (let i = 2; i < 10; i++) {
      one.rekey();
      assert.deepEqual([ciphers.made, ciphers.live], [i, 1]);
    }
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    assert.equal(ciphers.live, 0);
  }
});

Deno.test("keys are wiped as soon as a cipher has them, and the secret is left as it was", () => {
  const keys: Uint8Array[] = [];
  const keeping: CipherFactory = (name, key) => {
    keys.push(key);
    return makePureCipher(name, key);
  };
  const secret = SECRET.slice();
  using sealer = new RecordSealer(secret, "aes-256-gcm", keeping);
  sealer.rekey();
  assert.equal(keys.length, 2);
  for (const key of keys) assert.deepEqual(key, new Uint8Array(32));
  assert.deepEqual(secret, SECRET);
});

Deno.test("the secret may be overwritten once a direction is made of it", () => {
  const secret = SECRET.slice();
  const sealer = new RecordSealer(secret, "aes-256-gcm", makePureCipher);
  const opener = new RecordOpener(SECRET, "aes-256-gcm", makePureCipher);
  secret.fill(0);
  assert.deepEqual(recordsIn(opener, sealText(sealer, TEXT)), [toHex(TEXT)]);
  sealer.rekey();
  opener.rekey();
  assert.deepEqual(recordsIn(opener, sealText(sealer, TEXT)), [toHex(TEXT)]);
});

Deno.test("nothing is sealed, opened or rekeyed after the end: zeros would be everybody's key", () => {
  const ciphers = new CountedCiphers();
  const sealer = new RecordSealer(SECRET, "aes-256-gcm", ciphers.factory);
  const opener = new RecordOpener(SECRET, "aes-256-gcm", ciphers.factory);
  const record = sealText(sealer, TEXT);
  for (const one of [sealer, opener]) one[Symbol.dispose]();
  const bytes = record.slice();
  assert.throws(() => sealer.seal(bytes, 2, 3), internal);
  assert.deepEqual(bytes, record, "not even a length was written");
  assert.throws(() => opener.sizeAt(record, 0, record.length), internal);
  assert.throws(() => opener.open(record, 0, record.length), internal);
  for (const one of [sealer, opener]) assert.throws(() => one.rekey(), internal);
  assert.deepEqual([ciphers.made, ciphers.live], [2, 0]);
});

Deno.test("a rekey for which no cipher can be made leaves the old keys in use, and nothing open", () => {
  const ciphers = new CountedCiphers();
  let fails = false;
  const failing: CipherFactory = (name, key) => {
    if (fails) throw new Error("no memory");
    return ciphers.factory(name, key);
  };
  const sealer = new RecordSealer(SECRET, "aes-256-gcm", failing);
  const opener = new RecordOpener(SECRET, "aes-256-gcm", failing);
  fails = true;
  for (const one of [sealer, opener]) assert.throws(() => one.rekey(), { message: "no memory" });
  assert.deepEqual(recordsIn(opener, sealText(sealer, TEXT)), [toHex(TEXT)]);
  for (const one of [sealer, opener]) one[Symbol.dispose]();
  assert.equal(ciphers.live, 0);
});
