import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { OnePeer } from "./one_peer.ts";

const [A, B] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)];

Deno.test("the first process has the ticket, and may come again; others are told that it is used", async () => {
  const clock = new FakeClock();
  const { guard } = new OnePeer(clock, 1000);
  await clock.advance(900);
  assert.equal(guard(A), null);
  assert.match(guard(B)!.words, /has been used already/);
  await clock.advance(10_000);
  assert.equal(guard(A), null);
  assert.match(guard(B)!.words, /has been used already/);
});

Deno.test("whoever comes too late is told that", async () => {
  const clock = new FakeClock();
  const peer = new OnePeer(clock, 1000);
  await clock.advance(1001);
  assert.match(peer.guard(A)!.words, /nobody has come with it in time/);
  assert.equal(peer.isTaken, false);
});
