import assert from "node:assert/strict";
import type { FakeClock } from "../../../tests/fake/clock.ts";
import { FakePacketLink } from "../../../tests/fake/packet_link.ts";
import { exchange } from "../../../tests/fake/proxy_programs.ts";
import { echoAll, readAll, slowEcho } from "../../../tests/fake/read_all.ts";
import { StreamWorld } from "../../../tests/fake/stream_programs.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import { FinalError, TtunError } from "../../base/errors.ts";
import { write } from "../loop/stream_io.ts";
import { FriendDialer } from "../tuntox/friend_dialer.ts";
import { FriendListener } from "../tuntox/friend_listener.ts";
import { SplitLink } from "../tuntox/split_link.ts";
import { StreamLink } from "../tuntox/stream_link.ts";

/** A link of packets between two friends, in the place of a network. */
class Friends implements Disposable {
  near!: FakePacketLink;
  last!: { readonly listener: FriendListener; readonly dialer: FriendDialer };
  readonly #links: StreamLink[] = [];
  #listener!: FriendListener;

  listen(clock: FakeClock, signal: AbortSignal): FriendListener {
    const [near, far] = FakePacketLink.pair(clock);
    this.near = near;
    const listener = new FriendListener(clock, signal);
    this.#links.push(listener.serve(new SplitLink(far).streams));
    this.#listener = listener;
    return listener;
  }

  dialer(clock: FakeClock): FriendDialer {
    const link = new StreamLink(new SplitLink(this.near).streams, { clock });
    this.#links.push(link);
    const dialer = new FriendDialer(link, {
      clock,
      deadlineMs: 120_000,
      notReached: () => new TtunError("timeout", "Cannot reach it"),
    });
    this.last = { listener: this.#listener, dialer };
    return dialer;
  }

  [Symbol.dispose](): void {
    for (const link of this.#links) link[Symbol.dispose]();
  }
}

Deno.test("forwards over a link with a friend: bytes both ways, and an end as an end", async () => {
  using friends = new Friends();
  await using world = new StreamWorld({ local: ["8080:target:80"], transport: friends });
  friends.near.setUp(true);
  world.serve(echoAll);
  await world.clock.settle();
  const connections = [1, 2, 3].map(async (i) => {
    await using stream = await world.connect(8080);
    const data = pattern(200_000, i);
    assert.deepEqual(await exchange(stream, data), data);
  });
  await world.clock.until(Promise.all(connections));
});

Deno.test("a target that ends first is still heard and told", async () => {
  using friends = new Friends();
  await using world = new StreamWorld({ local: ["8080:target:80"], transport: friends });
  friends.near.setUp(true);
  const heard = Promise.withResolvers<Uint8Array>();
  world.serve(async (stream) => {
    await write(stream, utf8("hello"));
    await stream.closeWrite();
    heard.resolve(await readAll(stream));
  });
  await world.clock.settle();
  await using stream = await world.connect(8080);
  assert.deepEqual(await world.clock.until(readAll(stream)), utf8("hello"));
  await write(stream, utf8("still here"));
  await stream.closeWrite();
  assert.deepEqual(await world.clock.until(heard.promise), utf8("still here"));
});

Deno.test("a transfer goes on, byte for byte, when the friend is lost again and again", async () => {
  using friends = new Friends();
  await using world = new StreamWorld({ local: ["8080:target:80"], transport: friends });
  const { clock } = world;
  friends.near.setUp(true);
  world.serve(slowEcho(clock));
  await clock.settle();
  await using stream = await world.connect(8080);
  const data = pattern(1_000_000, 7);
  let isDone = false;
  const echoed = exchange(stream, data).finally(() => isDone = true);
  let losses = 0;
  for (let i = 0; !isDone && i < 200; i++) {
    await clock.advance(1000);
    if (isDone) break;
    losses++;
    friends.near.setUp(false);
    await clock.advance(i % 5 === 0 ? 30_000 : 500); // a session is kept for a minute
    friends.near.setUp(true);
    await clock.settle();
  }
  assert.deepEqual(await clock.until(echoed), data);
  assert(losses > 5, `${losses} losses`);
  const goesOn = world.client.lines().filter((line) => /^info session goes on/.test(line)).length;
  assert.equal(goesOn, losses);
});

Deno.test("a friend that is gone for longer than a session is kept ends its connections", async () => {
  using friends = new Friends();
  await using world = new StreamWorld({
    local: ["8080:target:80"],
    transport: friends,
    keepMs: 5000,
  });
  const { clock } = world;
  friends.near.setUp(true);
  world.serve(echoAll);
  await clock.settle();
  const stream = await world.connect(8080);
  await write(stream, utf8("hello"));
  await clock.advance(1000);
  friends.near.setUp(false);
  await clock.advance(150_000);
  assert.throws(() => stream.readNow(new Uint8Array(1)), { kind: "lost" });
  friends.near.setUp(true);
  await clock.advance(60_000);
  await using other = await world.connect(8080);
  assert.deepEqual(await clock.until(exchange(other, utf8("again"))), utf8("again"));
});

Deno.test("both ends end with the reason when their node of the network has failed for good", async () => {
  using friends = new Friends();
  await using world = new StreamWorld({ local: ["8080:target:80"], transport: friends });
  friends.near.setUp(true);
  await world.clock.settle();
  const error = new FinalError("system", "Cannot go on over Tox: broken");
  friends.last.dialer.fail(error);
  friends.near.setUp(false);
  assert.equal(await world.clock.until(world.client.ended), error);
  friends.last.listener.fail(error);
  assert.equal(await world.clock.until(world.server.ended), error);
});
