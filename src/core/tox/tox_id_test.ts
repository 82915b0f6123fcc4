import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../base/errors.ts";
import { formatToxId, parseToxId } from "./tox_id.ts";

/** Of Tox's own documentation. */
const ID = "56A1ADE4B65B86BCD51CC73E2CD4E542179F47959FE3E0E21B4B0ACDADE51855D34D34D37CB5";

Deno.test("a Tox ID is read in either case, and written in capitals", () => {
  const { bytes, publicKey } = parseToxId(ID);
  assert.equal(formatToxId(bytes), ID);
  assert.deepEqual(parseToxId(ID.toLowerCase()).bytes, bytes);
  assert.deepEqual(publicKey, bytes.subarray(0, 32));
});

Deno.test("a wrong digit anywhere is found", () => {
  fc.assert(fc.property(fc.nat(75), fc.integer({ min: 1, max: 15 }), (at, by) => {
    const digit = (parseInt(ID[at]!, 16) ^ by).toString(16);
    assert.throws(() => parseToxId(ID.slice(0, at) + digit + ID.slice(at + 1)), /digit is wrong/);
  }));
});

for (const text of ["", ID.slice(1), `${ID}0`, `${ID.slice(1)}g`, ` ${ID.slice(1)}`]) {
  Deno.test(`${JSON.stringify(text.slice(0, 8))} of ${text.length} characters is no Tox ID`, () => {
    assert.throws(
      () => parseToxId(text),
      (error) => error instanceof TtunError && error.kind === "usage",
    );
  });
}
