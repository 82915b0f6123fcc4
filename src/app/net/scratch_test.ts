import assert from "node:assert/strict";
import { ScratchBuffers } from "./scratch.ts";

Deno.test("a view of a buffer's front is as long as was asked for, again and again", () => {
  const scratch = new ScratchBuffers();
  const fronts = [
    [scratch.plain, (length: number) => scratch.plainTo(length)],
    [scratch.sealed, (length: number) => scratch.sealedTo(length)],
  ] as const;
  for (const [bytes, to] of fronts) {
    for (const length of [0, 1, 511, 512, 513, 1, bytes.length, 512, bytes.length]) {
      const front = to(length);
      assert.equal(front.length, length);
      assert.equal(front.byteOffset, bytes.byteOffset);
      assert.equal(front.buffer, bytes.buffer);
      assert.equal(to(length), front); // made once
    }
  }
});
