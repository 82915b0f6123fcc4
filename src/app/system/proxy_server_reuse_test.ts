import assert from "node:assert/strict";
import { echo, ProxyWorld, SERVER_HOST, TARGET_V4 } from "../../../tests/fake/proxy.ts";
import { ending } from "../../../tests/fake/proxy_programs.ts";
import { firstFrame, frame, GREETING, Hand, NONE, PORT } from "../../../tests/fake/tt_hand.ts";
import { readExactly } from "../../../tests/suite/stream_net.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { request } from "../../core/proxy/socks/socks5_client.ts";
import { dial } from "../net/dial_events.ts";

/** How long a server keeps an idle connection. */
const SERVER_KEEPS = 20_000;

const ASK = concat(GREETING, request({ host: TARGET_V4, port: 80 }));

async function byHand() {
  const world = new ProxyWorld();
  const server = world.server();
  let connections = 0;
  world.target(async (stream) => {
    connections++;
    await echo(stream);
  });
  await world.clock.settle();
  return { world, server, hand: await Hand.dial(world), connections: () => connections };
}

const HEAD = 2 + 10; // the answers to greeting and request

Deno.test("known answers: a connection's streams end by frames, and the next begins behind them", async () => {
  const { world, hand, connections } = await byHand();
  await using _world = world;
  const wish = request({ host: TARGET_V4, port: 80 });
  await hand.send(firstFrame({ isLasting: true }), frame(wish), frame(utf8("one")), frame(NONE));
  assert.deepEqual((await world.clock.until(hand.toEnd())).slice(HEAD), utf8("one"));
  for (const words of ["two", "three"]) {
    await hand.send(frame(ASK), frame(utf8(words)), frame(NONE));
    assert.deepEqual((await world.clock.until(hand.toEnd())).slice(HEAD), utf8(words));
  }
  assert.equal(connections(), 3);
  await hand.stream.closeWrite();
  assert.equal(await world.clock.until(hand.receive()), "FIN");
});

Deno.test("a next connection may stand right behind the end of the one before, cut anywhere", async () => {
  const { world, hand } = await byHand();
  await using _world = world;
  await hand.send(firstFrame({ isLasting: true }), frame(request({ host: TARGET_V4, port: 80 })));
  const line = concat(frame(NONE), frame(ASK), frame(utf8("next")), frame(NONE));
  for (const byte of line) {
    await hand.send(Uint8Array.of(byte));
    await world.clock.settle();
  }
  await world.clock.until(hand.toEnd());
  assert.deepEqual((await world.clock.until(hand.toEnd())).slice(HEAD), utf8("next"));
});

Deno.test("a client that has the mark alone is ended by FIN, and ends by FIN", async () => {
  const { world, hand } = await byHand();
  await using _world = world;
  const wish = request({ host: TARGET_V4, port: 80 });
  await hand.send(firstFrame({ isLasting: false }), frame(wish), frame(utf8("x")));
  await hand.stream.closeWrite();
  const texts: Uint8Array[] = [];
  let next = await world.clock.until(hand.receive());
  for (; typeof next !== "string"; next = await world.clock.until(hand.receive())) texts.push(next);
  assert.deepEqual([concat(...texts).slice(HEAD), next], [utf8("x"), "FIN"]);
});

Deno.test("a stream that was recorded is not served again on a connection that has been used", async () => {
  const { world, server, hand, connections } = await byHand();
  await using _world = world;
  await hand.send(firstFrame({ isLasting: true }), frame(request({ host: TARGET_V4, port: 80 })));
  await hand.send(frame(NONE));
  await world.clock.until(hand.toEnd());
  const recorded = [frame(ASK), frame(NONE)];
  await hand.send(...recorded);
  await world.clock.until(hand.toEnd());
  assert.equal(connections(), 2);
  await hand.send(...recorded);
  assert.notEqual(typeof await world.clock.until(hand.receive()), "object");
  assert.equal(connections(), 2);
  assert.deepEqual(server.lines(), ["warn connection ended"]);
  // It is none as the first frame of a connection either.
  const other = await Hand.dial(world);
  await other.send(...recorded);
  assert.equal(await world.clock.until(other.receive()), "FIN");
  assert.equal(connections(), 2);
});

Deno.test("a FIN in the middle is no end: the target is reset", async () => {
  const { world, hand } = await byHand();
  await using _world = world;
  const ends: string[] = [];
  world.target(async (stream) => {
    await readExactly(stream, 4);
    ends.push(await ending(stream));
  }, { port: 81 });
  await hand.send(firstFrame({ isLasting: true }), frame(request({ host: TARGET_V4, port: 81 })));
  await hand.send(frame(utf8("half")));
  await world.clock.settle();
  await hand.stream.closeWrite();
  await world.clock.settle();
  assert.deepEqual(ends, ["reset"]);
});

Deno.test("a connection that nobody uses again is closed by the server after twenty seconds", async () => {
  const { world, server, hand } = await byHand();
  await using _world = world;
  await hand.send(firstFrame({ isLasting: true }), frame(request({ host: TARGET_V4, port: 80 })));
  await hand.send(frame(NONE));
  await world.clock.until(hand.toEnd());
  await hand.send(frame(ASK).subarray(0, 20)); // part of a frame is no use
  await world.clock.advance(SERVER_KEEPS - 1);
  assert.equal(server.streams.open, 1);
  await world.clock.advance(1);
  assert.equal(server.streams.open, 0);
});

Deno.test("what is no request ends a connection that has been used; so does a minute that is out of reach", async () => {
  const { world, server, hand, connections } = await byHand();
  await using _world = world;
  const later = await Hand.dial(world);
  for (const one of [hand, later]) {
    await one.send(firstFrame({ isLasting: true }), frame(request({ host: TARGET_V4, port: 80 })));
  }
  await hand.send(frame(NONE));
  await world.clock.until(hand.toEnd());
  await hand.send(frame(utf8("hello")));
  assert.notEqual(typeof await world.clock.until(hand.receive()), "object");
  await world.clock.advance(180_000);
  await later.send(frame(NONE));
  await world.clock.until(later.toEnd());
  await later.send(frame(ASK));
  assert.notEqual(typeof await world.clock.until(later.receive()), "object");
  assert.equal(connections(), 2);
  assert.equal(server.streams.open, 0);
});

Deno.test("idle connections make room where descriptors run out, and are counted as pending", async () => {
  const { world, server } = await byHand();
  await using _world = world;
  const hands: Hand[] = [];
  for (let i = 0; i < 520; i++) { // above what one address may have pending
    const hand = await Hand.dial(world);
    await hand.send(firstFrame({ isLasting: true }), frame(request({ host: TARGET_V4, port: 80 })));
    await hand.send(frame(NONE));
    await world.clock.until(hand.toEnd());
    hands.push(hand);
  }
  assert.equal(await hands[0]!.receive(), "FIN");
  assert.ok(server.streams.open <= 513);
});

Deno.test("strangers, from however many addresses, take no connection from a client that is between two streams", async () => {
  const { world, server } = await byHand();
  await using _world = world;
  const hands: Hand[] = [];
  for (let i = 0; i < 10; i++) {
    const hand = await Hand.dial(world);
    await hand.send(firstFrame({ isLasting: true }), frame(request({ host: TARGET_V4, port: 80 })));
    await hand.send(frame(NONE));
    await world.clock.until(hand.toEnd());
    hands.push(hand);
  }
  const to = { host: SERVER_HOST, port: PORT };
  // Of each address fewer than the client has connections: it would be the one with most.
  for (let i = 0; i < 2100; i++) {
    await dial(world.net.dialer(`10.1.${i >> 8}.${i & 255}`), to, world);
    if (i % 100 === 0) await world.clock.settle();
  }
  await world.clock.settle();
  assert.ok(server.streams.open <= 2048 + hands.length);
  for (const hand of hands) {
    await hand.send(frame(ASK), frame(utf8("still here")), frame(NONE));
    assert.deepEqual((await world.clock.until(hand.toEnd())).slice(HEAD), utf8("still here"));
  }
});

Deno.test("connections that have all come at once give the others a turn now and then", async () => {
  const { world, hand } = await byHand();
  await using _world = world;
  const bad = utf8("GET x HTTP/1.1\r\n\r\n"); // answered at once, by nobody else
  await hand.send(firstFrame({ isLasting: true }, bad), frame(NONE));
  await world.clock.until(hand.toEnd());
  const before = world.clock.turns;
  const COUNT = 320;
  await hand.send(...Array.from({ length: COUNT }, () => [frame(bad), frame(NONE)]).flat());
  for (let i = 0; i < COUNT; i++) await world.clock.until(hand.toEnd());
  assert.ok(world.clock.turns - before >= COUNT / 32);
});
