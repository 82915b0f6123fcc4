import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { openBy } from "../../../tests/fake/outbound.ts";
import { FakePacketLink } from "../../../tests/fake/packet_link.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { utf8 } from "../../base/bytes.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Target } from "../../base/target.ts";
import type { OpenOptions } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";
import { packPing } from "../../core/tuntox/frames.ts";
import { UNREAD_OF_ALL } from "../../core/tuntox/limits.ts";
import type { TunnelRule } from "../../core/tuntox/rules.ts";
import { UnreadTotal } from "../../core/tuntox/unread_total.ts";
import { read, write } from "../loop/stream_io.ts";
import { ConnectError } from "../net/connect_error.ts";
import { Quota } from "../net/connection_quota.ts";
import { promised } from "../net/dial_events.ts";
import { Relays } from "../net/relay.ts";
import { ScratchBuffers } from "../net/scratch.ts";
import { EndingInput } from "./ending_input.ts";
import { serveTunnels, type TunnelHost } from "./served_tunnels.ts";
import { TunnelLink } from "./tunnel_link.ts";
import { TunnelOutbound } from "./tunnel_outbound.ts";

const TARGET: Target = { host: "target.example", port: 80 };

interface WorldOptions {
  readonly rules?: readonly TunnelRule[];
  readonly connect?: (target: Target, o: OpenOptions) => Promise<Stream>;
  readonly places?: number;
}

/** A client and a server of tuntox, each with the other for a friend. */
class World implements Disposable {
  readonly clock = new FakeClock();
  readonly stop = new AbortController();
  /** Connections of the server's with targets, at the target's side. */
  readonly targets: Stream[] = [];
  readonly link: FakePacketLink;
  readonly serverLink: FakePacketLink;
  readonly client: TunnelLink;
  readonly server: TunnelLink;
  readonly outbound: TunnelOutbound;
  readonly quota: Quota;
  readonly log = keptLog(this.clock);
  readonly #relays: Relays;

  constructor({ rules, connect, places = 100 }: WorldOptions = {}) {
    const { clock } = this;
    const { log } = this.log;
    const { signal } = this.stop;
    const tools = { clock, log, signal };
    [this.link, this.serverLink] = FakePacketLink.pair(clock);
    this.#relays = new Relays({ clock, scratch: new ScratchBuffers(65_536), idleMs: Infinity });
    this.quota = new Quota({ total: places, perAddress: places });
    const accept = (_: Target, { signal }: OpenOptions) => {
      const [near, far] = memoryPair({ signalA: signal });
      this.targets.push(far);
      return Promise.resolve(near);
    };
    const host: TunnelHost = {
      ...tools,
      random: seededRng(1),
      said: new RateLimitedLog(log, () => clock.now()),
      relays: this.#relays,
      quota: this.quota,
      outbound: openBy(connect ?? accept),
      rules: rules ?? null,
      total: new UnreadTotal(UNREAD_OF_ALL),
    };
    this.client = new TunnelLink(this.link, { ...tools, random: seededRng(2) });
    this.server = serveTunnels(host, this.serverLink);
    this.outbound = new TunnelOutbound(this.client);
  }

  open(o: Partial<OpenOptions> = {}, to: Target = TARGET): Promise<Stream> {
    const { signal } = this.stop;
    return promised((events) => this.outbound.open(to, { signal, ...o }, events));
  }

  /** Opens, and returns the error that it fails with. */
  async failure(o: Partial<OpenOptions> = {}, to?: Target): Promise<unknown> {
    return await this.clock.until(this.open(o, to).then(() => null, (error) => error));
  }

  get tunnels(): number {
    return this.client.tunnels.count + this.server.tunnels.count + this.quota.count;
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
    this.server[Symbol.dispose]();
    this.#relays[Symbol.dispose]();
  }
}

/** Reads to the end. */
async function readAll(from: Stream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const into = new Uint8Array(10_000);
  for (;;) {
    const got = await read(from, into);
    if (got === null) return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
    parts.push(into.slice(0, got));
  }
}

function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => i * 7 + (i >> 8));
}

Deno.test("a megabyte goes each way over a link that is full most of the time", async () => {
  using world = new World();
  const { clock } = world;
  world.link.setUp(true);
  const stream = await clock.until(world.open({ early: utf8("early") }));
  const [target] = world.targets;
  const up = pattern(1_000_000);
  const down = pattern(1_000_003).reverse();
  const [atTarget, atClient] = await clock.until(Promise.all([
    readAll(target!),
    readAll(stream),
    (async () => {
      await write(stream, up);
      await stream.closeWrite();
    })(),
    (async () => {
      await write(target!, down);
      await target!.closeWrite();
    })(),
  ]));
  assert.deepEqual(atTarget.subarray(0, 5), utf8("early"));
  assert.equal(atTarget.length, up.length + 5);
  assert.deepEqual(atTarget.subarray(5), up);
  assert.deepEqual(atClient, down);
  assert(world.link.refused > 10 && world.serverLink.refused > 10);
  await stream[Symbol.asyncDispose]();
  await clock.settle();
  assert.equal(world.tunnels, 0);
});

Deno.test("a refused target is told at once, by name", async () => {
  using world = new World({
    connect: () => Promise.reject(new ConnectError("refused", "it refused")),
  });
  world.link.setUp(true);
  const error = await world.failure();
  assert(error instanceof ConnectError);
  assert.equal(error.failure, "refused");
  assert.equal(error.message, "target.example:80: it refused the connection");
  assert(world.clock.now() < 1000);
  assert.equal(world.tunnels, 0);
});

Deno.test("rules, wrong hosts and full places are refusals, and nothing is dialled", async () => {
  const wrong: [WorldOptions, Target, string][] = [
    [{ rules: [] }, TARGET, "denied"],
    [{ rules: [{ host: "target.example", port: 81 }] }, TARGET, "denied"],
    [{}, { host: "a b", port: 80 }, "general"],
    [{}, { host: "target.example", port: 0 }, "general"],
    [{ places: 0 }, TARGET, "general"],
  ];
  for (const [o, to, failure] of wrong) {
    using world = new World(o);
    world.link.setUp(true);
    const error = await world.failure({}, to);
    assert(error instanceof ConnectError && error.failure === failure, String(error));
    assert.deepEqual([world.targets.length, world.tunnels], [0, 0]);
  }
  using world = new World({ rules: [{ host: null, port: 80 }] });
  world.link.setUp(true);
  await world.clock.until(world.open());
});

Deno.test("an open waits for the link, and says that there is none", async () => {
  using world = new World();
  const opening = world.open();
  await world.clock.advance(10_000);
  world.link.setUp(true);
  await world.clock.until(opening);
  world.link.setUp(false);
  const error = await world.failure();
  assert(error instanceof ConnectError && error.failure === "tunnel");
  assert.match(error.message, /there is no link with tox:B/);
});

Deno.test("no answer is a time-out, and an abort gives the request up", async () => {
  using world = new World({ connect: () => new Promise(() => {}) });
  world.link.setUp(true);
  const error = await world.failure();
  assert(error instanceof ConnectError && error.failure === "timeout");
  const cancel = new AbortController();
  const opening = world.open({ cancel: cancel.signal });
  await world.clock.advance(100);
  const reason = new Error("nobody waits");
  cancel.abort(reason);
  await assert.rejects(opening, reason);
  assert.equal(world.client.tunnels.count, 0);
});

Deno.test("when the friend goes, both ends of all connections do, and dials are given up", async () => {
  let cancelled = 0;
  let dials = 0;
  using world = new World({
    connect: (_, { cancel, signal }) => {
      if (++dials > 1) {
        return new Promise((_, reject) => {
          cancel!.addEventListener("abort", () => {
            cancelled++;
            reject(cancel!.reason);
          });
        });
      }
      const [near, far] = memoryPair({ signalA: signal });
      world.targets.push(far);
      return Promise.resolve(near);
    },
  });
  world.link.setUp(true);
  const { clock } = world;
  const stream = await clock.until(world.open());
  const other = world.open();
  const refused = assert.rejects(other, ConnectError);
  await clock.advance(100);
  world.link.setUp(false);
  await clock.settle();
  await refused;
  await assert.rejects(async () => await read(stream, new Uint8Array(1)), { kind: "lost" });
  await assert.rejects(async () => await read(world.targets[0]!, new Uint8Array(1)));
  assert.deepEqual([cancelled, world.tunnels], [1, 0]);
});

Deno.test("a slow reader does not stop a fast one", async () => {
  using world = new World();
  const { clock } = world;
  world.link.setUp(true);
  const slow = await clock.until(world.open());
  const fast = await clock.until(world.open());
  const bytes = pattern(300_000);
  const sent = Promise.all(world.targets.map(async (target) => {
    await write(target, bytes);
    await target.closeWrite();
  }));
  assert.deepEqual(await clock.until(readAll(fast)), bytes);
  await clock.until(sent);
  assert.deepEqual(await clock.until(readAll(slow)), bytes);
});

Deno.test("the opener's signal ends its tunnel, and all is sent before the end", async () => {
  using world = new World();
  const { clock } = world;
  world.link.setUp(true);
  const life = new AbortController();
  const stream = await clock.until(world.open({ signal: life.signal }));
  const bytes = pattern(60_000);
  await write(stream, bytes);
  await stream[Symbol.asyncDispose]();
  await clock.until(world.outbound.delivered(clock, world.stop.signal));
  assert(world.client.tunnels.isFlushed);
  assert.deepEqual(await clock.until(readAll(world.targets[0]!)), bytes);
  const other = await clock.until(world.open({ signal: life.signal }));
  life.abort(new Error("over"));
  assert.throws(() => other.readNow(new Uint8Array(1)));
  // The wire has no reset: the target hears of an end.
  assert.equal((await clock.until(readAll(world.targets[1]!))).length, 0);
  for (const target of world.targets) await target.closeWrite();
  await clock.settle();
  assert.equal(world.tunnels, 0);
});

Deno.test("input that waits for nothing ends with its tunnel, behind all that has come", async () => {
  using world = new World();
  const { clock } = world;
  world.link.setUp(true);
  const [inner, program] = memoryPair();
  const stdio = new EndingInput(inner, clock);
  const { signal } = world.stop;
  const outbound = new TunnelOutbound(world.client, stdio.end);
  const upstream = await clock.until(
    promised<Stream>((events) => outbound.open(TARGET, { signal }, events)),
  );
  using relays = new Relays({ clock, scratch: new ScratchBuffers(1000), idleMs: Infinity });
  const running = relays.run(stdio, upstream);
  await write(program, utf8("hello"));
  await clock.settle();
  const [target] = world.targets;
  assert.equal(await clock.until(Promise.resolve(read(target!, new Uint8Array(100)))), 5);
  const bytes = pattern(200_000);
  const sent = write(target!, bytes);
  const got = readAll(program);
  await clock.until(Promise.resolve(sent));
  await target!.closeWrite();
  assert.deepEqual(await clock.until(got), bytes);
  await clock.until(running);
});

Deno.test("unix sockets are refused, and pongs are told", async () => {
  using world = new World();
  world.link.setUp(true);
  const { signal } = world.stop;
  const opening = promised((events) =>
    void world.outbound.open({ path: "/run/x" }, { signal }, events)
  );
  await assert.rejects(opening, /no unix sockets/);
  let payload: Uint8Array | null = null;
  world.client.onPong = (bytes) => payload = bytes.slice();
  world.client.tunnels.ping(utf8("Hello"));
  await world.clock.settle();
  assert.deepEqual(payload, utf8("Hello"));
});

Deno.test("packets that are no frames are told in the log, not too often", () => {
  using world = new World();
  for (let i = 0; i < 1000; i++) world.server.packet(Uint8Array.of(0xa2, 0x6a, 0, 0, 0, 0, 0, 0));
  const old = packPing(utf8("x"));
  old[0] = 0;
  world.server.packet(old);
  const lines = world.log.records.map(({ message }) => message);
  assert(lines.includes("the other end's tuntox is too old"));
  assert(lines.includes("not a frame of tuntox") && lines.length < 20);
});
