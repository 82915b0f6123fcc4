import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { FakeDevice } from "../../../tests/fake/device.ts";
import { flowPacket, markOf } from "../../../tests/fake/flow.ts";
import { FakeLink, slowly } from "../../../tests/fake/link.ts";
import { onePeer } from "../../../tests/fake/port.ts";
import { BATCH_PACKETS } from "../../contract/batch.ts";
import { PeerRouter } from "./peer_router.ts";

const BATCHES = 60;

/** Packets for the device in so many batches; the link takes one of them late, all others at once. */
async function flood(late: number) {
  const clock = new FakeClock();
  const device = new FakeDevice(1280);
  const router = new PeerRouter(device, clock, { mssClamp: false, longest: 1_400 });
  const stop = new AbortController();
  const running = router.run(stop.signal).catch(() => {});
  const link = new FakeLink();
  const session = router.session(link, onePeer());
  const count = BATCHES * BATCH_PACKETS;
  link.onSend = () => link.batches.length - 1 === late ? slowly(clock, 10)() : undefined;
  device.inject(...Array.from({ length: count }, (_, i) => flowPacket(1, i, 1_280)));
  await clock.advance(1_000);
  assert.deepEqual(link.sent.map(markOf), [...Array(count).keys()]);
  link.end();
  await session;
  stop.abort();
  await running;
  return clock.turns;
}

Deno.test("a device that always has packets gives all else a turn every two batches: a fast link", async () => {
  assert.equal(await flood(Infinity), BATCHES / 2);
});

Deno.test("a device that always has packets gives all else a turn, also while queued packets are sent", async () => {
  const turns = await flood(0);
  assert(turns >= BATCHES / 4, `${turns} turns in ${BATCHES} batches`);
});
