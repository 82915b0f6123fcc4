import assert from "node:assert/strict";
import { layOutAs, v2Pair } from "../../../tests/fake/v2_pair.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { makePackets } from "../../contract/batch.ts";
import { keepAlive } from "./keepalive.ts";

const DEAD_TIME_MS = 15_000;
const PACKET = { packet: new Uint8Array(40).fill(0x45), header: null };

/** Both ends of a link, of which the near one is kept alive; how many records each write was. */
function watched(): ReturnType<typeof v2Pair> & AsyncDisposable & { pings: () => number } {
  const pair = v2Pair();
  const stop = new AbortController();
  const end = {
    signal: stop.signal,
    clock: pair.clock,
    rng: seededRng(3),
    deadTimeMs: DEAD_TIME_MS,
  };
  const watching = keepAlive(pair.near.channel, end).catch(() => {});
  return {
    ...pair,
    pings: () => pair.writes.length,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await watching;
      await pair.near[Symbol.asyncDispose]();
      await pair.far[Symbol.asyncDispose]();
    },
  };
}

Deno.test("after packets without an answer for a second the peer is asked once, not more", async () => {
  await using t = watched();
  await t.clock.advance(4_000);
  assert.equal(t.pings(), 1, "the first, for the round trip");
  await t.far.send(layOutAs(t.far.layout, [PACKET]));
  t.near.recvNow(makePackets(0));
  await t.clock.advance(900);
  const before = t.pings();
  await t.clock.advance(1_200); // it is looked at a second after it was known at the latest
  assert.equal(t.pings(), before + 1);
  await t.clock.advance(2_500);
  assert.equal(t.pings(), before + 1, "nothing was carried since");
});

Deno.test("a ping is unanswered when nothing comes for a while, until something does", async () => {
  await using t = watched();
  await t.clock.advance(299);
  assert.equal(t.near.channel.isUnanswered, false);
  await t.clock.advance(1);
  assert.equal(t.near.channel.isUnanswered, true);
  await t.far.send(layOutAs(t.far.layout, [PACKET]));
  await t.clock.advance(1);
  t.near.recvNow(makePackets(0));
  assert.equal(t.near.channel.isUnanswered, false);
});

Deno.test("what a server tells of segments comes to its client", async () => {
  const told: number[] = [];
  const pair = v2Pair({ onSegmentSize: (bytes) => told.push(bytes) });
  pair.far.channel.tellSegmentSize(1220);
  pair.far.channel.tellSegmentSize(0);
  await pair.clock.settle();
  for (let tries = 0; tries < 4; tries++) pair.near.recvNow(makePackets(0));
  assert.deepEqual(told, [1220, 0]);
  pair.near.channel.tellSegmentSize(536); // a server that is told so does nothing
  await pair.clock.settle();
  assert.notEqual(pair.far.recvNow(makePackets(0)), 0);
});
