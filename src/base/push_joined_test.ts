import assert from "node:assert/strict";
import fc from "fast-check";
import { concat } from "./bytes.ts";
import { pushJoined } from "./push_joined.ts";

Deno.test("bytes that come one by one are few pieces", () => {
  const pieces: Uint8Array[] = [];
  for (let i = 0; i < 10_000; i++) pushJoined(pieces, Uint8Array.of(i));
  assert.deepEqual(concat(...pieces), Uint8Array.from({ length: 10_000 }, (_, i) => i));
  assert.equal(pieces.length, 3);
  assert(pieces.every(({ buffer }) => buffer.byteLength <= 4096));
});

Deno.test("whatever is appended and taken meanwhile, the bytes stay in order", () => {
  const turn = fc.record({
    bytes: fc.uint8Array({ minLength: 1, maxLength: 3000 }),
    take: fc.nat(3000),
  });
  fc.assert(fc.property(fc.array(turn, { maxLength: 20 }), (turns) => {
    const pieces: Uint8Array[] = [];
    const [sent, taken]: Uint8Array[][] = [[], []];
    for (const { bytes, take } of turns) {
      sent!.push(bytes.slice());
      pushJoined(pieces, bytes);
      bytes.fill(0); // it was lent for the call
      const first = pieces[0];
      if (first === undefined) continue;
      taken!.push(first.slice(0, take));
      if (take < first.length) pieces[0] = first.subarray(take);
      else pieces.shift();
    }
    assert.deepEqual(concat(...taken!, ...pieces), concat(...sent!));
  }));
});
