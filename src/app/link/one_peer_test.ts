import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { hasLostRace, OnePeer } from "./one_peer.ts";

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

Deno.test("a connection that a ticket's client has given up is no stranger's", () => {
  const { guard } = new OnePeer(new FakeClock(), 1000);
  const lost = new TtunError("lost", "it was reset");
  assert.equal(hasLostRace({ guard }, lost), true);
  assert.equal(hasLostRace({ guard }, new TtunError("auth", "another key")), false);
  assert.equal(hasLostRace({ guard }, new Error("a stranger")), false);
  assert.equal(hasLostRace({}, lost), false);
});
