import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { FakeDevice } from "../../../tests/fake/device.ts";
import { FakeLink } from "../../../tests/fake/link.ts";
import { LAYOUTS } from "../../../tests/fake/layouts.ts";
import { onePeer } from "../../../tests/fake/port.ts";
import { ipPacket } from "../../../tests/fake/tun_programs.ts";
import { readU16 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { BATCH_PACKETS } from "../../contract/batch.ts";
import { noPackets } from "./counters.ts";
import { PeerRouter } from "./peer_router.ts";

const LAYOUT = LAYOUTS["version 1"]!;
const LONGEST = 1_400;

/** A router that runs. */
function world(o: { mssClamp?: boolean } = {}) {
  const clock = new FakeClock();
  const device = new FakeDevice(1280);
  const router = new PeerRouter(device, clock, { mssClamp: o.mssClamp ?? false, longest: LONGEST });
  const stop = new AbortController();
  const running = router.run(stop.signal).catch((error: unknown) => error);
  const link = new FakeLink({ layout: LAYOUT });
  return { clock, device, router, stop, running, link, counters: router.counters };
}

Deno.test("packets go both ways, and are counted", async () => {
  const w = world();
  const session = w.router.session(w.link, onePeer());
  w.device.inject(ipPacket(1), ipPacket(2, 100));
  w.link.deliver(ipPacket(3), ipPacket(4));
  w.link.deliver(ipPacket(5, 1_280));
  await w.clock.settle();
  assert.deepEqual(w.link.sent, [ipPacket(1), ipPacket(2, 100)]);
  assert.equal(w.link.batches.length, 1);
  assert.deepEqual(w.device.written, [ipPacket(3), ipPacket(4), ipPacket(5, 1_280)]);
  assert.deepEqual(w.counters, {
    ...noPackets(),
    sentPackets: 2,
    sentBytes: 140,
    receivedPackets: 3,
    receivedBytes: 1_360,
  });
  w.link.end();
  await session;
});

Deno.test("without a peer what the device has is dropped and counted", async () => {
  const w = world();
  w.device.inject(ipPacket(1), ipPacket(2));
  w.device.inject(ipPacket(3));
  await w.clock.settle();
  assert.deepEqual(w.counters, { ...noPackets(), droppedWithoutPeer: 3 });
  assert.equal(w.device.queued, 0);
});

Deno.test("what was queued before a session is dropped when it begins", async () => {
  const w = world();
  w.device.inject(ipPacket(1), ipPacket(2));
  const session = w.router.session(w.link, onePeer());
  w.device.inject(ipPacket(3));
  await w.clock.settle();
  assert.deepEqual(w.link.sent, [ipPacket(3)]);
  assert.equal(w.counters.droppedWithoutPeer, 2);
  w.link.end();
  await session;
});

Deno.test("after a session the device is read on, and the next session works", async () => {
  const w = world();
  const first = w.router.session(w.link, onePeer());
  w.link.end();
  await first;
  w.device.inject(ipPacket(1));
  await w.clock.settle();
  assert.deepEqual([w.link.sent, w.counters.droppedWithoutPeer], [[], 1]);
  const link = new FakeLink({ layout: LAYOUT });
  const second = w.router.session(link, onePeer());
  w.device.inject(ipPacket(2));
  link.deliver(ipPacket(3));
  await w.clock.settle();
  assert.deepEqual([link.sent, w.device.written], [[ipPacket(2)], [ipPacket(3)]]);
  link.end();
  await second;
});

Deno.test("what is no IP packet or too long is left out, either way round", async () => {
  const w = world();
  const session = w.router.session(w.link, onePeer());
  const noIp = new Uint8Array(40);
  const unfit = [noIp, new Uint8Array(0), ipPacket(9, LONGEST + 1), Uint8Array.of(0x60, 0)];
  const mixed = [unfit[0]!, ipPacket(1), unfit[1]!, unfit[2]!, ipPacket(2, LONGEST), unfit[3]!];
  w.device.inject(...mixed);
  w.link.deliver(...mixed);
  await w.clock.settle();
  assert.deepEqual(w.link.sent, [ipPacket(1), ipPacket(2, LONGEST)]);
  assert.deepEqual(w.device.written, [ipPacket(1), ipPacket(2, LONGEST)]);
  assert.equal(w.counters.droppedUnfit, 8);
  assert.deepEqual([w.counters.sentPackets, w.counters.receivedPackets], [2, 2]);
  w.link.end();
  await session;
});

Deno.test("a batch that is all unfit is not sent, and does not end the session", async () => {
  const w = world();
  const session = w.router.session(w.link, onePeer());
  w.device.inject(new Uint8Array(40));
  w.link.deliver(new Uint8Array(40));
  await w.clock.settle();
  assert.equal(w.link.batches.length, 0);
  w.link.deliver(ipPacket(1));
  await w.clock.settle();
  assert.deepEqual(w.device.written, [ipPacket(1)]);
  w.link.end();
  await session;
});

/** An IPv4 SYN whose only option is an MSS of 1460. */
function syn(): Uint8Array {
  const packet = new Uint8Array(44);
  packet[0] = 0x45;
  packet[9] = 6;
  packet[20 + 12] = 0x60;
  packet[20 + 13] = 2;
  packet.set([2, 4, 1460 >> 8, 1460 & 0xff], 40);
  return packet;
}

Deno.test("the MSS is clamped to the device's MTU both ways when asked, else left alone", async () => {
  for (const mssClamp of [true, false]) {
    const w = world({ mssClamp });
    const session = w.router.session(w.link, onePeer());
    w.device.inject(syn());
    w.link.deliver(syn());
    await w.clock.settle();
    const mss = mssClamp ? 1240 : 1460;
    assert.equal(readU16(w.device.written[0]!, 42), mss);
    assert.equal(readU16(w.link.sent[0]!, 42), mss);
    w.link.end();
    await session;
  }
});

Deno.test("a link that does not take packets stops the reading of the device", async () => {
  const w = world();
  const full = Promise.withResolvers<void>();
  w.link.onSend = () => full.promise;
  const session = w.router.session(w.link, onePeer());
  w.device.inject(ipPacket(1));
  await w.clock.settle();
  w.device.inject(ipPacket(2));
  await w.clock.settle();
  assert.deepEqual([w.link.batches.length, w.device.queued], [1, 1]);
  w.link.onSend = () => {};
  full.resolve();
  await w.clock.settle();
  assert.deepEqual([w.link.batches.length, w.device.queued], [2, 0]);
  w.link.end();
  await session;
});

Deno.test("a device that does not take packets stops the reading of the link", async () => {
  const w = world();
  w.device.writable = false;
  const session = w.router.session(w.link, onePeer());
  w.link.deliver(ipPacket(1));
  w.link.deliver(ipPacket(2));
  await w.clock.settle();
  assert.equal(w.counters.receivedPackets, 1);
  w.device.writable = true;
  await w.clock.settle();
  assert.deepEqual(w.device.written, [ipPacket(1), ipPacket(2)]);
  w.link.end();
  await session;
});

Deno.test("a link that cannot send ends its session with that failure; the device is read on", async () => {
  for (const later of [false, true]) {
    const w = world();
    const failure = new TtunError("lost", "cannot send");
    w.link.onSend = () => {
      if (later) return Promise.reject(failure);
      throw failure;
    };
    const session = w.router.session(w.link, onePeer());
    w.device.inject(ipPacket(1));
    await assert.rejects(session, (error) => error === failure);
    assert.ok(w.link.disposed > 0);
    w.device.inject(ipPacket(2));
    await w.clock.settle();
    assert.equal(w.device.queued, 0);
    assert.equal(w.counters.droppedWithoutPeer, 1);
  }
});

Deno.test("a link that breaks while receiving ends its session with that failure", async () => {
  const w = world();
  const failure = new TtunError("protocol", "damaged");
  const session = w.router.session(w.link, onePeer());
  w.link.deliver(ipPacket(1));
  w.link.end(failure);
  await assert.rejects(session, (error) => error === failure);
  assert.deepEqual(w.device.written, [ipPacket(1)]);
});

Deno.test("a device that is lost ends run() and the session with that failure", async () => {
  const w = world();
  const failure = new TtunError("system", "the device was removed");
  const session = w.router.session(w.link, onePeer());
  w.device.lose(failure);
  assert.equal(await w.running, failure);
  w.link.deliver(ipPacket(1));
  await assert.rejects(session, (error) => error === failure);
});

Deno.test("an abort closes the device, which ends run()", async () => {
  const w = world();
  await w.clock.settle();
  w.stop.abort(new Error("stop"));
  const ended = await w.running;
  assert.ok(ended instanceof TtunError && ended.kind === "lost");
  assert.equal(w.device.closed, true);
});

Deno.test("two links at once are refused, and the first goes on", async () => {
  const w = world();
  const session = w.router.session(w.link, onePeer());
  await assert.rejects(
    w.router.session(new FakeLink({ layout: LAYOUT }), onePeer()),
    { kind: "internal" },
  );
  w.device.inject(ipPacket(1));
  await w.clock.settle();
  assert.equal(w.link.sent.length, 1);
  w.link.end();
  await session;
});

Deno.test("a device that always has packets gives everything else a turn every two batches", async () => {
  const w = world();
  await w.clock.settle();
  const batch = Array.from({ length: BATCH_PACKETS }, (_, i) => ipPacket(i));
  for (let i = 0; i < 9; i++) w.device.inject(...batch);
  await w.clock.settle();
  assert.equal(w.counters.droppedWithoutPeer, 9 * BATCH_PACKETS);
  assert.equal(w.clock.turns, 4); // the first batch was waited for
});

Deno.test("a link that always has packets gives everything else a turn every two batches", async () => {
  const w = world();
  const batch = Array.from({ length: BATCH_PACKETS }, (_, i) => ipPacket(i));
  for (let i = 0; i < 8; i++) w.link.deliver(...batch);
  w.link.end();
  await w.router.session(w.link, onePeer());
  assert.equal(w.device.written.length, 8 * BATCH_PACKETS);
  assert.equal(w.clock.turns, 4);
});
