import assert from "node:assert/strict";
import vectors from "../../../../tests/vector/ttun-v1.json" with { type: "json" };
import { fromHex, toHex, utf8 } from "../../../base/bytes.ts";
import { pskKey, sessionKey } from "./kdf.ts";

for (const v of vectors.cases) {
  Deno.test(`keys of ${v.psk}, ${v.cipher} are the known ones`, () => {
    const k = pskKey(utf8(v.psk));
    assert.equal(toHex(k), v.K);
    const sk = sessionKey(k, fromHex(v.client_nonce), fromHex(v.server_nonce));
    assert.equal(toHex(sk), v.SK);
  });
}

Deno.test("the nonces of client and server are not interchangeable", () => {
  const [k, a, b] = [pskKey(utf8("x")), new Uint8Array(16), new Uint8Array(16).fill(1)];
  assert.notDeepEqual(sessionKey(k, a, b), sessionKey(k, b, a));
});

Deno.test("keys are made without touching what they are made from", () => {
  const [k, a, b] = [new Uint8Array(32).fill(1), new Uint8Array(16).fill(2), new Uint8Array(16)];
  sessionKey(k, a, b);
  assert.deepEqual([k, a, b], [
    new Uint8Array(32).fill(1),
    new Uint8Array(16).fill(2),
    new Uint8Array(16),
  ]);
});
