import assert from "node:assert/strict";
import { UNSENT_USUAL } from "../net/socket_options.ts";
import { UnsentLimit } from "./unsent_limit.ts";

/** Writes for a second to a connection of so many bytes per millisecond, which is never idle. */
function busy(limit: UnsentLimit, rate: number, from: number): number {
  const bytes = 32 * 1024;
  let now = from;
  while (now < from + 1000) limit.wrote(bytes, now, now += bytes / rate);
  return now;
}

Deno.test("unsent limit: a slow connection keeps what it sends in some milliseconds", () => {
  const limit = new UnsentLimit(0);
  assert.equal(limit.bytes, UNSENT_USUAL);
  assert.equal(limit.write, Infinity);
  busy(limit, 12_500, 0); // 100 Mbit/s
  assert.equal(limit.bytes, 64 * 1024);
  assert.equal(limit.write, 32 * 1024);
});

Deno.test("unsent limit: beside packets it keeps half of that", () => {
  const limit = new UnsentLimit(0, true);
  busy(limit, 12_500, 0);
  assert.equal(limit.bytes, 32 * 1024);
});

Deno.test("unsent limit: a very slow connection keeps a little", () => {
  const limit = new UnsentLimit(0);
  busy(limit, 100, 0);
  assert.equal(limit.bytes, 16 * 1024);
});

Deno.test("unsent limit: a connection that gets faster has the usual limit again", () => {
  const limit = new UnsentLimit(0);
  const now = busy(limit, 1000, 0);
  assert.equal(limit.bytes, 16 * 1024);
  busy(limit, 500_000, now);
  assert.equal(limit.bytes, UNSENT_USUAL);
});

Deno.test("unsent limit: writes that do not wait, few or many, are no sign of a slow one", () => {
  const limit = new UnsentLimit(0);
  for (let now = 0; now < 1000; now += 10) limit.wrote(100, now, now);
  assert.equal(limit.bytes, UNSENT_USUAL);
  for (let now = 1000; now < 2000; now++) limit.wrote(100_000, now, now);
  assert.equal(limit.bytes, UNSENT_USUAL);
});

Deno.test("unsent limit: little traffic leaves it as it is", () => {
  const limit = new UnsentLimit(0);
  const began = busy(limit, 1000, 0);
  for (let now = began; now < began + 1000; now += 10) limit.wrote(100, now, now);
  assert.equal(limit.bytes, 16 * 1024);
});

Deno.test("unsent limit: beside packets, streams that windows hold back have a little too", () => {
  for (const [rate, kb] of [[1000, 16], [5000, 32], [100_000, 256]] as const) {
    const limit = new UnsentLimit(0, true);
    for (let now = 0; now <= 1000; now++) limit.wrote(rate, now, now);
    assert.equal(limit.bytes, kb * 1024, `${rate} bytes/ms`);
  }
});
