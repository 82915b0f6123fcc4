import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";
import { utf8 } from "./bytes.ts";

Deno.test("the examples of RFC 4648 section 10, without padding", () => {
  const examples = { "": "", f: "Zg", fo: "Zm8", foo: "Zm9v", foob: "Zm9vYg", foobar: "Zm9vYmFy" };
  for (const [plain, encoded] of Object.entries(examples)) {
    assert.equal(encodeBase64Url(utf8(plain)), encoded);
    assert.deepEqual(decodeBase64Url(encoded), utf8(plain));
  }
  assert.equal(encodeBase64Url(Uint8Array.of(0xfb, 0xff)), "-_8");
});

Deno.test("what was encoded is decoded, and nothing else is", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    assert.deepEqual(decodeBase64Url(encodeBase64Url(bytes)), bytes);
  }));
  for (const text of ["A", "Zg==", "Zh", "Z g", "Zm9v\n", "+/8", "ü"]) {
    assert.equal(decodeBase64Url(text), null, text);
  }
});
