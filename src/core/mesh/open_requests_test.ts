import assert from "node:assert/strict";
import { MOST_OPEN, OpenRequests } from "./open_requests.ts";

Deno.test("so many requests may be open, and an answer makes room for another", () => {
  const open = new OpenRequests();
  for (let i = 1; i <= MOST_OPEN; i++) assert.ok(open.take(i, i));
  assert.ok(!open.take(1000, 1000));
  assert.ok(open.take(7, 1000), "a repeated one is not one more");
  open.answered(1000);
  assert.ok(!open.take(1000, 1000));
  open.answered(8);
  assert.ok(open.take(1000, 1000));
  assert.equal(open.count, MOST_OPEN);
});

Deno.test("a request that is never answered is forgotten after a minute", () => {
  const open = new OpenRequests();
  for (let i = 1; i <= MOST_OPEN; i++) open.take(i, i <= 10 ? 0 : 5000);
  assert.ok(!open.take(1000, 59_999));
  assert.ok(open.take(1000, 60_000));
  assert.equal(open.count, MOST_OPEN - 9);
});
