import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { HANDOVER_MARK, isHandover, packHandover, parseHandover } from "./handover.ts";

Deno.test("secrets arrive as they were, whatever bytes they have", () => {
  const secrets = fc.dictionary(
    fc.string({ unit: "grapheme" }).filter((name) => name !== "__proto__"),
    fc.uint8Array(),
  );
  fc.assert(fc.property(secrets, fc.boolean(), (given, keepsOutput) => {
    const packed = packHandover({ secrets: given, keepsOutput });
    assert(isHandover(packed));
    const parsed = parseHandover(packed);
    assert.deepEqual(Object.entries(parsed.secrets), Object.entries(given));
    assert.equal(parsed.keepsOutput, keepsOutput);
  }));
});

Deno.test("a large key file is little more when it is handed over, to fit into a socket", () => {
  const key = new Uint8Array(64 * 1024).fill(0x6b);
  assert(packHandover({ secrets: { key }, keepsOutput: false }).length < 1.4 * key.length);
});

Deno.test("other input is no handover, and a broken one is refused", () => {
  assert(!isHandover(new Uint8Array()));
  assert(!isHandover(utf8("a key\n")));
  assert(!isHandover(HANDOVER_MARK.subarray(0, -1)));
  const broken = packHandover({ secrets: { key: utf8("k") }, keepsOutput: false }).subarray(0, -1);
  for (const bytes of [new Uint8Array(), broken]) {
    assert.throws(
      () => parseHandover(bytes),
      (error) => error instanceof TtunError && error.kind === "protocol",
    );
  }
});
