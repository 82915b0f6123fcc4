import assert from "node:assert/strict";
import type { FakeClock } from "../../../../tests/fake/clock.ts";
import { keptLog } from "../../../../tests/fake/log.ts";
import { MemoryNet } from "../../../../tests/fake/memory.ts";
import { StreamWorld } from "../../../../tests/fake/stream_programs.ts";
import type { HostPort } from "../../../base/addr.ts";
import { concat, utf8 } from "../../../base/bytes.ts";
import { varint } from "../../../base/varint.ts";
import { UnreachableError } from "../../../base/errors.ts";
import { onAbort } from "../../../base/scope.ts";
import type { Connection } from "../../../contract/connection.ts";
import type { TransportMode } from "../../../core/mesh/transport_choice.ts";
import { dial } from "../../net/dial_events.ts";
import { clientMemory } from "../../mux/session_memory.ts";
import { ChannelDialer, type DialSignals } from "./channel_dialer.ts";
import { listenForChannels } from "./channel_listener.ts";
import type { PeerChannel } from "../links/peer_channel.ts";

const AT: HostPort = { host: "192.0.2.1", port: 20204 };

type Way = "works" | "refused" | "silent";

/** A frame, whose content nobody looks at. */
function frame(text: string, length = text.length): Uint8Array {
  const content = new Uint8Array(length);
  content.set(utf8(text));
  return concat(varint(length), content);
}

/** A node that listens by TCP and QUIC, and one that dials it. */
class Pair {
  readonly world = new StreamWorld({});
  readonly clock: FakeClock = this.world.clock;
  readonly taken: PeerChannel[] = [];
  readonly dialled: string[] = [];
  readonly cancelled: string[] = [];
  readonly stop = new AbortController();
  readonly #tcp = new MemoryNet({ clock: this.clock });
  readonly #quic = new MemoryNet({ clock: this.clock });
  readonly ways: Record<"tcp" | "quic", Way> = { tcp: "works", quic: "works" };

  constructor() {
    const { signal } = this.stop;
    const o = { clock: this.clock, memory: clientMemory(), signal };
    listenForChannels({
      ...o,
      tcp: this.#tcp.listen(AT, { signal }),
      quic: this.#quic.listen(AT, { signal }),
      log: keptLog(this.clock).log,
      secrets: () => this.#secrets(),
      take: (channel) => void this.taken.push(channel),
    }).catch(() => {}); // it ends with the test
  }

  dialer(mode: TransportMode, hasQuic = true): ChannelDialer {
    return new ChannelDialer({
      ...{ mode, clock: this.clock, memory: clientMemory(), signal: this.stop.signal },
      secrets: () => this.#secrets(),
      dialTcp: (to, o) => this.#dial("tcp", this.#tcp, to, o),
      dialQuic: hasQuic ? (to, _, o) => this.#dial("quic", this.#quic, to, o) : null,
    });
  }

  #secrets() {
    return this.world.common(keptLog(this.clock).log, this.stop.signal).secrets;
  }

  #dial(
    way: "tcp" | "quic",
    net: MemoryNet,
    to: HostPort,
    { cancel, life }: DialSignals,
  ): Promise<Connection> {
    this.dialled.push(`${way} ${this.clock.now()}`);
    if (this.ways[way] === "refused") {
      return Promise.reject(new UnreachableError("refused", `Refused by ${way}`));
    }
    if (this.ways[way] === "works") {
      return dial(net.dialer("192.0.2.2"), to, { signal: life, cancel });
    }
    const { promise, reject } = Promise.withResolvers<Connection>();
    onAbort(cancel, (reason) => {
      this.cancelled.push(way);
      reject(reason);
    });
    return promise;
  }

  async settle<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    promise.finally(() => isDone = true).catch(() => {}); // awaited below
    for (let i = 0; i < 100 && !isDone; i++) await this.clock.advance(10);
    return await promise;
  }

  connect(mode: TransportMode, hasQuic = true): Promise<PeerChannel> {
    const { signal } = this.stop;
    return this.settle(this.dialer(mode, hasQuic).connect(AT, "a.node.invalid", signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort(new Error("the test is over"));
    await this.clock.advance(1000);
    await this.world[Symbol.asyncDispose]();
  }
}

Deno.test("a channel goes by TCP, and both ends have what binds proofs to it", async () => {
  await using pair = new Pair();
  using channel = await pair.connect("auto");
  assert.equal(channel.transport, "tcp");
  assert.equal(channel.binding.length, 32);
  assert.deepEqual(pair.dialled, ["tcp 0"]);
  const [other] = pair.taken;
  assert.deepEqual(other!.binding, channel.binding);
  await pair.settle(channel.write(frame("hello")));
  assert.deepEqual(await pair.settle(other!.read()), frame("hello"));
  await pair.settle(other!.write(frame("and back")));
  assert.deepEqual(await pair.settle(channel.read()), frame("and back"));
});

Deno.test("where TCP is refused QUIC is dialled at once, where it is silent 300 ms later", async () => {
  for (const [way, at] of [["refused", 0], ["silent", 300]] as const) {
    await using pair = new Pair();
    pair.ways.tcp = way;
    using channel = await pair.connect("auto");
    assert.equal(channel.transport, "quic");
    assert.equal(channel.binding.length, 0);
    assert.deepEqual(pair.dialled, ["tcp 0", `quic ${at}`]);
    assert.deepEqual(pair.cancelled, way === "silent" ? ["tcp"] : []);
    await pair.clock.advance(10);
    const [other] = pair.taken;
    await pair.settle(other!.write(frame("there")));
    assert.deepEqual(await pair.settle(channel.read()), frame("there"));
  }
});

Deno.test("a refusal of TCP is told at once where QUIC is silent, and not by an attempt that fails", async () => {
  await using pair = new Pair();
  pair.ways.tcp = "refused";
  pair.ways.quic = "silent";
  let refused = 0;
  const stop = new AbortController();
  const count = () => void refused++;
  const connecting = pair.dialer("auto").connect(AT, "a.node.invalid", stop.signal, count);
  connecting.catch(() => {}); // awaited below
  await pair.clock.settle();
  assert.equal(refused, 1);
  stop.abort(new Error("enough"));
  await assert.rejects(connecting, /enough/);
  const alone = pair.dialer("tcp").connect(AT, "a.node.invalid", pair.stop.signal, count);
  await assert.rejects(pair.settle(alone), /Refused by tcp/);
  assert.equal(refused, 1);
});

Deno.test("one transport is used alone where it is named, or where there is no other", async () => {
  await using pair = new Pair();
  using byQuic = await pair.connect("quic");
  assert.equal(byQuic.transport, "quic");
  pair.ways.tcp = "refused";
  await assert.rejects(pair.connect("tcp"), /Refused by tcp/);
  await assert.rejects(pair.connect("auto", false), /Refused by tcp/);
  await assert.rejects(pair.connect("quic", false), /--unstable-net/);
  assert.deepEqual(pair.dialled.map((line) => line.slice(0, 4)), ["quic", "tcp ", "tcp "]);
});

Deno.test("of two failures that of TCP is told", async () => {
  await using pair = new Pair();
  pair.ways.tcp = pair.ways.quic = "refused";
  await assert.rejects(pair.connect("auto"), /Refused by tcp/);
});

Deno.test("whoever gives up ends all attempts, and is told the reason", async () => {
  await using pair = new Pair();
  pair.ways.tcp = pair.ways.quic = "silent";
  const stop = new AbortController();
  const connecting = pair.dialer("auto").connect(AT, "a.node.invalid", stop.signal);
  connecting.catch(() => {}); // awaited below
  await pair.clock.advance(400);
  stop.abort(new Error("enough"));
  await assert.rejects(connecting, /enough/);
  await pair.clock.advance(10);
  assert.deepEqual(pair.cancelled, ["tcp", "quic"]);
});

Deno.test("a long frame goes on a stream of its own, and holds no short ones up", async () => {
  await using pair = new Pair();
  using here = await pair.connect("auto");
  using there = pair.taken[0]!;
  for (const [from, to] of [[here, there], [there, here]] as const) {
    const writing = [frame("long", 400_000), frame("short")].map((bytes) => from.write(bytes));
    await pair.settle(Promise.all(writing));
    const read = [await pair.settle(to.read()), await pair.settle(to.read())];
    assert.deepEqual(read.map((bytes) => bytes!.length), [6, 400_004]);
    // The next one goes on the same stream.
    await pair.settle(from.write(frame("long", 100_000)));
    assert.equal((await pair.settle(to.read()))!.length, 100_004);
  }
});

Deno.test("a channel ends at both ends, whatever waits; a frame that is too long ends it", async () => {
  await using pair = new Pair();
  const here = await pair.connect("auto");
  const there = pair.taken[0]!;
  const reading = there.read();
  reading.catch(() => {}); // awaited below
  here[Symbol.dispose]();
  assert.equal(await here.read(), null);
  const ended = await pair.settle(reading.catch(() => null));
  assert.equal(ended, null);
  await assert.rejects(pair.settle(there.write(frame("late"))));

  using other = await pair.connect("auto");
  const its = pair.taken.at(-1)!;
  await pair.settle(other.write(frame("hello")));
  assert.deepEqual(await pair.settle(its.read()), frame("hello"));
  await pair.settle(other.write(frame("long", 600_000)));
  await assert.rejects(pair.settle(its.read()), /more than 524288 bytes/);
});

Deno.test("frames that are written at once, and those that wait for room, come to a follower in order", async () => {
  await using pair = new Pair();
  using here = await pair.connect("auto");
  using there = pair.taken[0]!;
  const texts = Array.from({ length: 200 }, (_, i) => `frame ${i}`);
  const [first, ...others] = texts;
  await pair.settle(here.write(frame(first!, 5000)));
  const came: string[] = [];
  const ended = there.follow!((bytes) => {
    came.push(new TextDecoder().decode(bytes.subarray(2)).replaceAll("\0", ""));
  });
  ended.catch(() => {}); // awaited below
  const refused: string[] = [];
  for (const text of others) {
    if (refused.length > 0 || !here.writeNow!(frame(text, 5000))) refused.push(text);
  }
  assert(refused.length > 0, "not all of it can have had room at once");
  for (const text of refused) await pair.settle(here.write(frame(text, 5000)));
  await pair.clock.advance(1000);
  assert.deepEqual(came, texts);
  here[Symbol.dispose]();
  await assert.rejects(pair.settle(ended), /has ended the link/);
});

Deno.test("a follower's failure, and a frame that is too long, end the channel with their reason", async () => {
  await using pair = new Pair();
  using here = await pair.connect("auto");
  const failing = pair.taken[0]!.follow!(() => {
    throw new Error("no frame");
  });
  failing.catch(() => {}); // awaited below
  assert(here.writeNow!(frame("one")));
  assert(!here.writeNow!(frame("long", 100_000)), "that is for the other stream");
  await assert.rejects(pair.settle(failing), /no frame/);

  using other = await pair.connect("auto");
  const cut = pair.taken.at(-1)!.follow!(() => {});
  cut.catch(() => {}); // awaited below
  await pair.settle(other.write(frame("long", 600_000)));
  await assert.rejects(pair.settle(cut), /more than 524288 bytes/);
});
