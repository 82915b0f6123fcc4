import assert from "node:assert/strict";
import {
  type ClientRun,
  echo,
  MINUTE,
  PASSWORD,
  ProxyWorld,
  RANGE,
  SERVER_HOST,
  TARGET_NAME,
  TARGET_V4,
} from "../../../tests/fake/proxy.ts";
import { exchange, httpConnect, socks4, socks5 } from "../../../tests/fake/proxy_programs.ts";
import { isClosed } from "../../../tests/fake/counted_streams.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { oldPort } from "../../../tests/fake/tt_old.ts";
import { twinDecode, twinKeys, twinSeal } from "../../../tests/fake/tt_twin.ts";
import { watched } from "../../../tests/fake/watched_dialer.ts";
import { readExactly } from "../../../tests/suite/stream_net.ts";
import { concat, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Dialer, Stream } from "../../contract/stream.ts";
import { request } from "../../core/proxy/socks5_client.ts";
import { Marker } from "../../core/tt/mark.ts";

/** How long a client keeps a carrier, a server, and how long a client waits on one. */
const CLIENT_KEEPS = 10_000;
const SERVER_KEEPS = 20_000;
const AGAIN = 2_000;

/** A server, a client whose dials are counted, and an echo behind them. */
async function start(o: { eager?: boolean } = {}) {
  const world = new ProxyWorld();
  const server = world.server();
  const both = watched(world, { isEager: o.eager ?? false });
  world.target(echo);
  await world.clock.settle();
  return { world, server, ...both };
}

/** A connection from first byte to both ends. */
async function once(world: ProxyWorld, client: ClientRun, seed: number): Promise<void> {
  const program = await client.connect();
  const asks = [socks5, httpConnect, socks4] as const;
  const host = seed % 3 === 2 ? TARGET_V4 : TARGET_NAME;
  await world.clock.until(asks[seed % 3]!(program, host));
  const data = pattern(1000 * seed + 1, seed);
  assert.deepEqual(await world.clock.until(exchange(program, data)), data);
  await program[Symbol.asyncDispose]();
  await world.clock.settle();
}

async function ending(program: Stream): Promise<string> {
  try {
    return await program.read(new Uint8Array(100)) === null ? "FIN" : "bytes";
  } catch {
    return "reset";
  }
}

Deno.test("connections one after the other, however they ask, share one carrier", async () => {
  const { world, server, client, dialer } = await start();
  await using _world = world;
  for (let i = 1; i <= 20; i++) await once(world, client, i);
  assert.equal(dialer.dialled.length, 1);
  assert.deepEqual([client.streams.open, server.streams.open], [0, 1]);
  assert.deepEqual([...server.lines(), ...client.lines()], []);
});

Deno.test("connections at the same time have a carrier each, and the next ones use them all again", async () => {
  const { world, client, dialer } = await start();
  await using _world = world;
  await Promise.all([1, 2, 3, 4, 5].map((i) => once(world, client, i)));
  assert.equal(dialer.dialled.length, 5);
  await Promise.all([6, 7, 8, 9, 10].map((i) => once(world, client, i)));
  assert.equal(dialer.dialled.length, 5);
});

Deno.test("an idle carrier is closed by the client after ten seconds, and nothing is left", async () => {
  const { world, server, client } = await start();
  await using _world = world;
  await once(world, client, 1);
  await world.clock.advance(CLIENT_KEEPS - 1);
  assert.equal(server.streams.open, 1);
  await world.clock.advance(1);
  assert.equal(server.streams.open, 0);
});

Deno.test("the next minute's connections go to the next minute's port", async () => {
  const { world, client, dialer } = await start();
  await using _world = world;
  for (let i = 1; i <= 40; i++) {
    await once(world, client, i);
    await world.clock.advance(5_000);
  }
  // From second 20 on over 200 s: minutes 0 to 3, each on its own port.
  const ports = [0, 1, 2, 3].map((i) =>
    oldPort({ password: PASSWORD, cipher: "chacha20-poly1305", ...RANGE }, MINUTE + i)
  );
  assert.deepEqual(dialer.dialled, ports.map((port) => `${SERVER_HOST}:${port}`));
});

Deno.test("a carrier is not used again after a reset, whoever it came from", async () => {
  const { world, client, dialer } = await start();
  await using _world = world;
  world.target(async (stream) => {
    await stream.read(new Uint8Array(10));
    stream.reset();
  }, { port: 81 });
  for (let i = 0; i < 3; i++) {
    const program = await client.connect();
    assert.equal(await socks5(program, TARGET_NAME), 0);
    program.reset();
    await world.clock.settle();
    const other = await client.connect();
    assert.equal(await socks5(other, TARGET_NAME, 81), 0);
    await other.write(utf8("x"));
    assert.equal(await world.clock.until(ending(other)), "reset");
  }
  assert.equal(dialer.dialled.length, 6);
});

Deno.test("each way ends on its own over a carrier that has been used, in either order", async () => {
  const { world, client, dialer } = await start();
  await using _world = world;
  world.target(async (stream) => {
    await stream.write(utf8("first"));
    await stream.closeWrite();
    assert.deepEqual(await readExactly(stream, 4), utf8("then"));
  }, { port: 81 });
  for (let i = 0; i < 3; i++) {
    const program = await client.connect();
    assert.equal(await socks5(program, TARGET_NAME, 81), 0);
    assert.deepEqual(await world.clock.until(readExactly(program, 5)), utf8("first"));
    assert.equal(await ending(program), "FIN");
    await program.write(utf8("then"));
    await program.closeWrite();
    await world.clock.settle();
    await once(world, client, i + 1);
  }
  assert.equal(dialer.dialled.length, 1);
});

Deno.test("a target that refuses ends its carrier, and costs the next connection nothing but a dial", async () => {
  const { world, client, dialer } = await start();
  await using _world = world;
  await once(world, client, 1);
  assert.equal(await world.clock.until(socks5(await client.connect(), TARGET_NAME, 99)), 5);
  await world.clock.settle();
  await once(world, client, 2);
  assert.equal(dialer.dialled.length, 2);
  assert.deepEqual(client.lines(), []);
});

Deno.test("where the server is another one, idle carriers are known to be gone before they are used", async () => {
  const { world, server, client, dialer } = await start({ eager: true });
  await using _world = world;
  await Promise.all([1, 2, 3].map((i) => once(world, client, i)));
  const dials = dialer.dialled.length;
  await server.stop();
  world.server();
  await world.clock.settle();
  await once(world, client, 4); // what it says first may come once only
  assert.equal(dialer.dialled.length, dials + 1);
  assert.deepEqual(client.lines(), []);
});

/** A dialer of connections that lead nowhere any more as soon as it is told so. */
function mute(inner: Dialer) {
  const state = { isMute: false, dialled: 0 };
  const dialer: Dialer = {
    dial: async (to, o) => {
      state.dialled++;
      const stream = await inner.dial(to, o);
      const writeNow = stream.writeNow.bind(stream);
      stream.writeNow = (bytes) => state.isMute ? bytes.length : writeNow(bytes);
      return stream;
    },
  };
  return { state, dialer };
}

Deno.test("a carrier that leads nowhere is given up after two seconds for a new one, and so are all", async () => {
  await using world = new ProxyWorld();
  world.server();
  const { state, dialer } = mute(world.net.dialer("192.0.2.2"));
  const client = world.client({ dialer });
  world.target(echo);
  await world.clock.settle();
  await Promise.all([1, 2, 3].map((i) => once(world, client, i)));
  state.isMute = true;
  const began = world.clock.now();
  const asking = socks5(await client.connect(), TARGET_NAME);
  await world.clock.advance(AGAIN - 1);
  state.isMute = false; // the new one works
  assert.equal(await world.clock.until(asking), 0);
  assert.equal(world.clock.now() - began, AGAIN);
  await once(world, client, 4);
  assert.equal(state.dialled, 3 + 2);
  assert.deepEqual(client.lines(), []);
});

Deno.test("eager: words that went over a carrier that leads nowhere are not sent again", async () => {
  await using world = new ProxyWorld();
  world.server();
  const { state, dialer } = mute(world.net.dialer("192.0.2.2"));
  const client = world.client({ dialer, isEager: true });
  world.target(echo);
  await world.clock.settle();
  await once(world, client, 1);
  state.isMute = true;
  const program = await client.connect();
  assert.equal(await socks5(program, TARGET_NAME), 0);
  await program.write(utf8("once only"));
  await world.clock.advance(AGAIN - 1);
  state.isMute = false;
  assert.equal(await world.clock.until(ending(program)), "reset");
  assert.equal(state.dialled, 1);
});

Deno.test("a program that gives up while its wish is under way closes the carrier with it", async () => {
  await using world = new ProxyWorld();
  const server = world.server({
    dialer: {
      dial: (_, { signal }) => new Promise((_, no) => signal.addEventListener("abort", no)),
    },
  });
  const client = world.client();
  await world.clock.settle();
  const program = await client.connect();
  httpConnect(program, TARGET_NAME).catch(() => {});
  await world.clock.settle();
  assert.deepEqual([client.streams.open, server.streams.open], [2, 1]);
  program.reset();
  await world.clock.settle();
  assert.equal(client.streams.open, 0);
});

// The server, against frames made of the specification alone.

const KEYS = twinKeys("chacha20-poly1305", PASSWORD, MINUTE);
const PORT = oldPort({ password: PASSWORD, cipher: "chacha20-poly1305", ...RANGE }, MINUTE);
const GREETING = Uint8Array.of(5, 1, 0);
const ASK = concat(GREETING, request({ host: TARGET_V4, port: 80 }));
const NONE = new Uint8Array();

let seed = 100;

function frame(text: Uint8Array): Uint8Array {
  return twinSeal(KEYS, seededRng(++seed)(20), text);
}

/** A first frame with the mark, with or without what says that carriers last. */
function firstFrame(o: { isLasting: boolean }, text: Uint8Array = GREETING): Uint8Array {
  const random = new Marker(KEYS.k).markedRandom(seededRng(++seed));
  if (!o.isLasting) random.fill(0, 20, 28);
  return twinSeal(KEYS, random, text);
}

/** A client that speaks frames by hand. */
class Hand {
  readonly stream: Stream;
  #kept: Uint8Array = NONE;

  constructor(stream: Stream) {
    this.stream = stream;
  }

  static async dial(world: ProxyWorld): Promise<Hand> {
    const dialer = world.net.dialer("198.51.100.7");
    return new Hand(await dialer.dial({ host: SERVER_HOST, port: PORT }, world));
  }

  async send(...frames: Uint8Array[]): Promise<void> {
    await this.stream.write(concat(...frames));
  }

  /** The next text, empty = an end by a frame; or "FIN", or "reset". */
  async receive(): Promise<Uint8Array | string> {
    for (;;) {
      const found = twinDecode(KEYS, this.#kept, true);
      if (found === "fail") throw new Error("What came is no frame");
      if (found !== "more") {
        this.#kept = this.#kept.slice(found.used);
        return found.text;
      }
      const into = new Uint8Array(70_000);
      try {
        const got = await this.stream.read(into);
        if (got === null) return "FIN";
        this.#kept = concat(this.#kept, into.subarray(0, got));
      } catch {
        return "reset";
      }
    }
  }

  /** All texts up to the end by a frame, as one. */
  async toEnd(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (;;) {
      const next = await this.receive();
      if (typeof next === "string") throw new Error(next);
      if (next.length === 0) return concat(...parts);
      parts.push(next);
    }
  }
}

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

Deno.test("known answers: a carrier's connections end by frames, and the next begins behind them", async () => {
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

Deno.test("a server that has the mark alone is ended by FIN, and asked for a new carrier each time", async () => {
  await using world = new ProxyWorld();
  const client = world.client();
  const listener = world.net.listen({ host: "", port: PORT }, world);
  for (let i = 0; i < 3; i++) {
    const program = await client.connect();
    const connecting = socks5(program, TARGET_V4);
    const hand = new Hand(await listener.accept(world));
    assert.deepEqual(await hand.receive(), GREETING);
    await hand.send(firstFrame({ isLasting: false }, Uint8Array.of(5, 0)));
    assert.deepEqual(await hand.receive(), request({ host: TARGET_V4, port: 80 }));
    await hand.send(frame(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0)));
    assert.equal(await world.clock.until(connecting), 0);
    await program.write(utf8("words"));
    assert.deepEqual(await hand.receive(), utf8("words"));
    await program.closeWrite();
    assert.equal(await world.clock.until(hand.receive()), "FIN");
    await hand.stream.closeWrite();
    assert.equal(await ending(program), "FIN");
    await program[Symbol.asyncDispose]();
  }
});

Deno.test("a connection that was recorded is not served again over a carrier that has been used", async () => {
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
  // As the first frame of a carrier it is none either.
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

Deno.test("a carrier that nobody uses again is closed by the server after twenty seconds", async () => {
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

Deno.test("what is no request ends a carrier that has been used; so does a minute that is out of reach", async () => {
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

Deno.test("idle carriers make room where descriptors run out, and are counted as pending", async () => {
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

Deno.test("a client out of descriptors closes carriers that nobody uses", async () => {
  await using world = new ProxyWorld();
  world.server();
  const client: ClientRun = world.client({
    direct: [TARGET_V4],
    dialer: {
      dial: async (to, o) => {
        if (client.streams.open + dialled.filter((one) => !isClosed(one)).length >= 5) {
          throw new TtunError("exhausted", "There are no descriptors left");
        }
        const stream = await world.net.dialer("192.0.2.2").dial(to, o);
        dialled.push(stream);
        return stream;
      },
    },
  });
  const dialled: Stream[] = [];
  world.names.set("there.example", ["8.0.0.11"]);
  world.target(echo);
  await world.clock.settle();
  const visit = async () => {
    const program = await client.connect();
    assert.equal(await world.clock.until(socks5(program, "there.example")), 0);
    return program;
  };
  const programs = [await visit(), await visit()];
  for (const program of programs) await exchange(program, utf8("x"));
  for (const program of programs) await program[Symbol.asyncDispose]();
  await world.clock.settle();
  const past: Stream[] = [];
  for (let i = 0; i < 2; i++) { // two for each, and two carriers are idle
    const program = await client.connect();
    past.push(program);
    assert.equal(await world.clock.until(socks5(program, TARGET_V4)), 0, `${i}`);
  }
  assert.equal(dialled.slice(0, 2).some(isClosed), true);
});
