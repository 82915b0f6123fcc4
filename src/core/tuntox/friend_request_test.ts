import assert from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { friendRequestText } from "./friend_request.ts";

Deno.test("a secret goes with a NUL behind it, as long as the library lets it", () => {
  assert.deepEqual(friendRequestText("geheim", 921), utf8("geheim\0"));
  assert.equal(friendRequestText("x".repeat(920), 921).length, 921);
  assert.throws(() => friendRequestText("x".repeat(921), 921), /has 921 bytes, and 920 fit/);
  assert.throws(() => friendRequestText("ä".repeat(461), 921), /has 922 bytes, and 920 fit/);
});

Deno.test("a secret that C would cut is refused", () => {
  assert.throws(() => friendRequestText("one\0two", 921), /has a NUL/);
  assert.throws(() => friendRequestText("", 921), /is empty/);
});

Deno.test("without a secret there is a text all the same", () => {
  assert(friendRequestText(null, 921).length > 0);
});
