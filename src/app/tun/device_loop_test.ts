import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { FakeDevice } from "../../../tests/fake/device.ts";
import { FakeLink } from "../../../tests/fake/link.ts";
import { LAYOUTS } from "../../../tests/fake/layouts.ts";
import { makePackets } from "../../contract/batch.ts";
import { carryFromDevice, carryToDevice } from "./device_loop.ts";

/** Nine of these are more than half a megabyte; of small packets, hundreds are not. */
const LARGE = 60_000;
const TO_A_TURN = 9;
const TURNS = 5;

Deno.test("half a megabyte from the device, in few packets, is followed by a turn of all else", async () => {
  const clock = new FakeClock();
  await using device = new FakeDevice();
  const packets = makePackets(LARGE + 1_000); // one at a time: what counts is bytes, not batches
  let taken = 0;
  const running = carryFromDevice(device, clock, () => LAYOUTS["version 2"]!, packets, (batch) => {
    taken += batch.count;
    return batch;
  });
  const ended = assert.rejects(running, /was removed/);
  for (let i = 0; i < TO_A_TURN * TURNS; i++) device.inject(new Uint8Array(LARGE));
  await clock.advance(1);
  assert.equal(taken, TO_A_TURN * TURNS);
  assert.equal(clock.turns, TURNS);
  device.lose();
  await ended;
});

Deno.test("half a megabyte from a link, in few packets, is followed by a turn of all else", async () => {
  const clock = new FakeClock();
  await using device = new FakeDevice();
  const link = new FakeLink();
  for (let i = 0; i < TO_A_TURN * TURNS; i++) link.deliver(new Uint8Array(LARGE));
  link.end();
  await clock.until(carryToDevice(link, device, clock, () => {}));
  assert.equal(device.written.length, TO_A_TURN * TURNS);
  assert.equal(clock.turns, TURNS);
});
