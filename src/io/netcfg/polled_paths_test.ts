import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { polledPaths } from "./polled_paths.ts";

/** A machine whose addresses change, and how often that was told. */
function machine() {
  const clock = new FakeClock();
  const is = { now: [{ name: "lo0", address: "127.0.0.1" }, { name: "en0", address: "10.0.0.2" }] };
  const paths = polledPaths(clock, "utun7", () => is.now);
  let told = 0;
  const watch = paths.onChange(() => told++);
  return { clock, is, paths, watch, told: () => told };
}

Deno.test("changes of addresses are found within a second, those of the tunnel's device are none", async () => {
  const { clock, is, paths, watch, told } = machine();
  assert.notEqual(paths.to("192.0.2.1"), null);
  await clock.advance(5_000);
  is.now = [...is.now, { name: "utun7", address: "10.1.1.2" }, { name: "en0", address: "fe80::1" }];
  await clock.advance(5_000);
  assert.equal(told(), 0);
  is.now = is.now.filter(({ address }) => address !== "10.0.0.2");
  await clock.advance(1_000);
  assert.deepEqual([told(), paths.to("192.0.2.1"), paths.isOwn("10.0.0.2")], [1, null, false]);
  is.now.push({ name: "en1", address: "10.0.9.2" });
  await clock.advance(1_000);
  assert.deepEqual([told(), paths.isOwn("10.0.9.2")], [2, true]);
  watch[Symbol.dispose]();
  assert.equal(clock.pending, 0);
});

Deno.test("where nothing may be looked at, nothing changes and no address is gone", async () => {
  const { clock, is, paths, watch, told } = machine();
  is.now = [];
  await clock.advance(1_000);
  const before = told();
  await clock.advance(10_000);
  assert.deepEqual([told(), paths.to("192.0.2.1"), paths.isOwn("10.0.0.2")], [before, "", true]);
  watch[Symbol.dispose]();
});
