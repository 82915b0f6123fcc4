import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { FakePacketLink } from "../../../tests/fake/packet_link.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { DialOptions } from "../../contract/dial.ts";
import type { Stream } from "../../contract/stream.ts";
import type { TunnelRequest } from "../../core/tuntox/tunnels.ts";
import type { TunnelStream } from "../../core/tuntox/tunnel_stream.ts";
import { accept, read, write } from "../loop/stream_io.ts";
import { dial } from "../net/dial_events.ts";
import { FriendDialer } from "./friend_dialer.ts";
import { FriendListener } from "./friend_listener.ts";
import { SplitLink } from "./split_link.ts";
import { StreamLink } from "./stream_link.ts";
import { TunnelLink } from "./tunnel_link.ts";

/** A client and a server of ttun, each with the other for a friend. */
class World implements Disposable {
  readonly clock = new FakeClock();
  readonly stop = new AbortController();
  readonly near: FakePacketLink;
  readonly split: SplitLink;
  readonly farSplit: SplitLink;
  readonly client: StreamLink;
  readonly server: StreamLink;
  readonly dialer: FriendDialer;
  readonly listener: FriendListener;

  constructor() {
    const { clock } = this;
    const [near, far] = FakePacketLink.pair(clock);
    this.near = near;
    this.split = new SplitLink(near);
    this.farSplit = new SplitLink(far);
    this.client = new StreamLink(this.split.streams, { clock });
    this.listener = new FriendListener(clock, this.stop.signal);
    this.server = this.listener.serve(this.farSplit.streams);
    this.dialer = new FriendDialer(this.client, {
      clock,
      deadlineMs: 60_000,
      notReached: () => new TtunError("timeout", "Cannot reach it"),
    });
  }

  dial(o: Partial<DialOptions> = {}): Promise<Connection> {
    return dial(this.dialer, undefined, { signal: this.stop.signal, timeoutMs: 1, ...o });
  }

  /** Both ends of a new stream. */
  connecting(): Promise<[Connection, Connection]> {
    const { signal } = this.stop;
    return Promise.all([this.dial(), Promise.resolve(accept(this.listener, { signal }))]);
  }

  connect(): Promise<[Connection, Connection]> {
    return this.clock.until(this.connecting());
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
    this.server[Symbol.dispose]();
  }
}

async function readSize(clock: FakeClock, from: Stream, size: number): Promise<Uint8Array> {
  const all = new Uint8Array(size);
  for (let at = 0; at < size;) {
    const got = await clock.until(Promise.resolve(read(from, all.subarray(at))));
    assert(got !== null, `ended after ${at}`);
    at += got;
  }
  return all;
}

Deno.test("a dial waits for the link, however little time it has, and is one stream then", async () => {
  using world = new World();
  const { clock } = world;
  const connecting = world.connecting();
  await clock.advance(30_000);
  world.near.setUp(true);
  const [here, there] = await clock.until(connecting);
  await clock.until(Promise.resolve(write(here, utf8("hello"))));
  assert.deepEqual(await readSize(clock, there, 5), utf8("hello"));
  assert.deepEqual([here.peer, there.peer], ["tox:B", "tox:A"]);
  assert.deepEqual(here.setOptions({ noDelay: true }), []);
});

Deno.test("a link that does not come up is told with how far it has come", async () => {
  using world = new World();
  await assert.rejects(world.clock.until(world.dial()), { message: "Cannot reach it" });
  assert.equal(world.clock.now(), 60_000);
  assert.equal(world.client.streams.count, 0);
});

Deno.test("a dial that is given up leaves nothing, before the link is up and after", async () => {
  using world = new World();
  for (const isUp of [false, true]) {
    world.near.setUp(isUp);
    const cancel = new AbortController();
    const dialling = world.dial({ cancel: cancel.signal });
    cancel.abort(new Error("over"));
    await assert.rejects(world.clock.until(dialling), /over/);
    await world.clock.settle();
    assert.equal(world.client.streams.count, 0);
  }
});

Deno.test("a loss of the link ends streams, and the next dial waits for the friend", async () => {
  using world = new World();
  const { clock } = world;
  world.near.setUp(true);
  const [here, there] = await world.connect();
  world.near.setUp(false);
  for (const end of [here, there]) {
    assert.throws(() => end.readNow(new Uint8Array(1)), { kind: "lost" });
  }
  const connecting = world.connecting();
  await clock.advance(1000);
  world.near.setUp(true);
  const [again] = await clock.until(connecting);
  assert.equal(again.stats().isGone, false);
});

Deno.test("a way to the network that has failed fails all dials", async () => {
  using world = new World();
  const dialling = world.dial();
  world.dialer.fail(new TtunError("system", "broken"));
  await assert.rejects(world.clock.until(dialling), /broken/);
  await assert.rejects(world.clock.until(world.dial()), /broken/);
});

Deno.test("a server with too many that wait refuses more, and its end gives up those that wait", async () => {
  using world = new World();
  world.near.setUp(true);
  const streams = await world.clock.until(Promise.all([world.dial(), world.dial()]));
  await world.listener[Symbol.asyncDispose]();
  await world.clock.settle();
  for (const stream of streams) {
    assert.throws(() => stream.readNow(new Uint8Array(1)), { kind: "lost" });
  }
  await assert.rejects(world.clock.until(world.dial()), { kind: "unreachable" });
});

Deno.test("streams and tunnels of one friend go side by side, and neither starves", async () => {
  using world = new World();
  const { clock, split, farSplit } = world;
  const { log } = keptLog(clock);
  const requests: TunnelRequest[] = [];
  using client = new TunnelLink(split.tunnels, { clock, log, random: seededRng(1) });
  using server = new TunnelLink(farSplit.tunnels, {
    ...{ clock, log, random: seededRng(2) },
    serve: (request) => void requests.push(request),
  });
  world.near.setUp(true);
  const [here, there] = await world.connect();
  const opened = Promise.withResolvers<TunnelStream>();
  client.tunnels.open({ host: "target.example", port: 80 }, new Uint8Array(), {
    opened: opened.resolve,
    refused: (_, error) => opened.reject(error),
  });
  await clock.settle();
  const target = server.tunnels.accept(requests[0]!)!;
  const tunnel = await clock.until(opened.promise);
  const size = 300_000;
  const bytes = Uint8Array.from({ length: size }, (_, i) => i * 7 + (i >> 8));
  const done: string[] = [];
  const carry = async (name: string, from: Stream, to: Stream) => {
    const writing = Promise.resolve(write(from, bytes));
    assert.deepEqual(await readSize(clock, to, size), bytes);
    await writing;
    done.push(`${name} ${Math.round(clock.now())}`);
  };
  const began = clock.now();
  await clock.until(Promise.all([carry("s", here, there), carry("t", tunnel, target)]));
  const [first, second] = done.map((one) => Number(one.slice(2)) - began);
  assert(second! < first! * 1.5, `one had to wait for the other: ${done.join()}`);
});

Deno.test("a listener whose way to the network has failed tells whoever accepts", async () => {
  using world = new World();
  world.near.setUp(true);
  const { signal } = world.stop;
  const accepting = Promise.resolve(accept(world.listener, { signal }));
  world.listener.fail(new TtunError("system", "broken"));
  await assert.rejects(world.clock.until(accepting), /broken/);
  assert.throws(() => world.listener.acceptNow({ signal }), /broken/);
  await assert.rejects(world.clock.until(world.dial()), { kind: "unreachable" });
});
