import assert from "node:assert/strict";
import { FailureLimit, ownerOf } from "./failure_limit.ts";

Deno.test("ten failures in a row have an owner wait for a minute, and nobody else", () => {
  let now = 0;
  const limit = new FailureLimit(() => now);
  for (let i = 0; i < 10; i++) {
    assert(limit.mayTry("a"));
    limit.failed("a");
  }
  assert(!limit.mayTry("a"));
  assert(limit.mayTry("b"));
  now = 60_000;
  assert(limit.mayTry("a"));
  limit.failed("a");
  assert(limit.mayTry("a"));
});

Deno.test("the memory of failures has an end", () => {
  const limit = new FailureLimit(() => 0);
  for (let i = 0; i < 10; i++) limit.failed("first");
  for (let i = 0; i < 10_000; i++) limit.failed(`other ${i}`);
  assert(limit.mayTry("first"));
});

Deno.test("all addresses of a /64 are one owner's", () => {
  assert.equal(ownerOf("2001:db8::1"), ownerOf("2001:db8::ffff:2"));
  assert.notEqual(ownerOf("2001:db8::1"), ownerOf("2001:db8:0:1::1"));
  assert.notEqual(ownerOf("192.0.2.1"), ownerOf("192.0.2.2"));
});
