import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { FakePacketLink } from "../../../tests/fake/packet_link.ts";
import type { FriendStream } from "../../core/tuntox/friend_stream.ts";
import { watchFriend } from "./friend_watch.ts";
import { StreamLink } from "./stream_link.ts";

/** A server's end of a link with a friend, which it watches. */
function open() {
  const clock = new FakeClock();
  const [near, far] = FakePacketLink.pair(clock);
  const client = new StreamLink(near, { clock });
  const server = new StreamLink(far, { clock, accept: () => true });
  near.setUp(true);
  const told = { drops: 0, proofs: 0 };
  watchFriend(server, { clock, drop: () => void told.drops++, proved: () => void told.proofs++ });
  const connect = async () => {
    const opened = Promise.withResolvers<FriendStream>();
    client.streams.open({ opened: opened.resolve, refused: opened.reject });
    return await clock.until(opened.promise);
  };
  return { clock, near, told, connect };
}

Deno.test("a friend without a stream is dropped after three looks", async () => {
  const { clock, told } = open();
  await clock.advance(89_000);
  assert.equal(told.drops, 0);
  await clock.advance(1000);
  assert.equal(told.drops, 1);
  await clock.advance(600_000);
  assert.equal(told.drops, 1);
});

Deno.test("a friend whose stream lasts stays", async () => {
  const { clock, told, connect } = open();
  await connect();
  await clock.advance(30_000);
  assert.equal(told.proofs, 0);
  await clock.advance(600_000);
  assert.deepEqual(told, { drops: 0, proofs: 1 });
});

Deno.test("streams that end before the next look do not count", async () => {
  const { clock, told, connect } = open();
  for (let i = 0; i < 4; i++) {
    const stream = await connect();
    await clock.advance(25_000);
    stream.reset();
    await clock.advance(5000);
  }
  assert.deepEqual(told, { drops: 1, proofs: 0 });
});

Deno.test("a friend that has gone is not watched", async () => {
  const { clock, near, told } = open();
  near.setUp(false);
  await clock.advance(600_000);
  assert.equal(told.drops, 0);
});
