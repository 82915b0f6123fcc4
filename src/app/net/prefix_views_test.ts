import assert from "node:assert/strict";
import { PrefixViews } from "./prefix_views.ts";

Deno.test("a view of a buffer's front is as long as was asked for, again and again", () => {
  for (const size of [131_038, 163_806]) {
    const bytes = new Uint8Array(size);
    const views = new PrefixViews(bytes);
    for (const length of [0, 1, 511, 512, 513, 1, bytes.length, 512, bytes.length]) {
      const front = views.to(length);
      assert.equal(front.length, length);
      assert.equal(front.byteOffset, bytes.byteOffset);
      assert.equal(front.buffer, bytes.buffer);
      assert.equal(views.to(length), front); // made once
    }
  }
});
