import assert from "node:assert/strict";
import { between, PoolRouterWorld, SERVER4 } from "../../../tests/fake/pool_router.ts";
import { BATCH_PACKETS } from "../../contract/batch.ts";

const A = ["10.8.0.2/24"];

const upTo = (count: number) => [...Array(count).keys()];
const to = (address: string, mark: number) => between(SERVER4, address, mark);
const from = (address: string, mark: number) => between(address, SERVER4, mark);

Deno.test("a device that always has packets gives everything else a turn every four batches", async () => {
  await using w = new PoolRouterWorld();
  const a = w.join("a", A);
  await w.clock.settle();
  const count = 9 * BATCH_PACKETS;
  w.device.inject(...Array.from({ length: count }, (_, i) => to("10.8.0.2", i)));
  await w.clock.settle();
  assert.deepEqual([a.link.sent.length, w.turns], [count, 2]); // the first batch was waited for
});

Deno.test("a client that always has packets gives everything else a turn at every batch", async () => {
  await using w = new PoolRouterWorld();
  const a = w.join("a", A);
  const batch = Array.from({ length: BATCH_PACKETS }, (_, i) => from("10.8.0.2", i));
  for (let i = 0; i < 9; i++) a.link.deliver(...batch);
  await w.clock.settle();
  assert.equal(w.device.written.length, 9 * BATCH_PACKETS);
  assert(w.turns >= 8, `${w.turns}`);
});

Deno.test("clients that flood the device get less of it than what is read from it", async () => {
  await using w = new PoolRouterWorld();
  const a = w.join("a", A);
  const flooders = [3, 4, 5, 6, 7].map((i) => w.join(`${i}`, [`10.8.0.${i}/24`]));
  await w.clock.settle();
  for (const [i, { link }] of flooders.entries()) {
    const batch = upTo(BATCH_PACKETS).map((mark) => from(`10.8.0.${i + 3}`, mark));
    for (let n = 0; n < 20; n++) link.deliver(...batch);
  }
  const count = 60 * BATCH_PACKETS;
  w.device.inject(...upTo(count).map((i) => to("10.8.0.2", i)));
  // The device is read to its end while the clients, which come at the same time, still wait.
  let writtenThen = 0;
  a.link.onSend = () => {
    if (a.link.sent.length >= count - BATCH_PACKETS) writtenThen = w.device.written.length;
  };
  await w.clock.settle();
  assert.equal(a.link.sent.length, count);
  assert.equal(w.device.written.length, 5 * 20 * BATCH_PACKETS);
  assert(writtenThen > 0 && writtenThen < 2 * count, `${writtenThen} beside ${count}`);
});
