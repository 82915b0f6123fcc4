import assert from "node:assert/strict";
import { flowPacket } from "../../../tests/fake/flow.ts";
import {
  between,
  PoolRouterWorld,
  SERVER4,
  SERVER6,
  virtioHeader,
} from "../../../tests/fake/pool_router.ts";
import { parseIp } from "../../base/addr.ts";
import { writeU16 } from "../../base/bytes.ts";
import { Offload } from "../../contract/batch.ts";
import { noPackets } from "./counters.ts";

const A = ["10.8.0.2/24", "fd00:8::2/64"];
const B = ["10.8.0.3/24", "fd00:8::3/64"];
const ALL = Offload.tcp | Offload.udp;

const TCP4 = 1;
const UDP_GSO = 5;

/** A TCP segment with a payload of so many bytes; its checksum holds the pseudo-header's sum. */
function segment(from: string, to: string, payload: number): Uint8Array {
  const packet = between(from, to, 7, 40 + payload);
  packet[9] = 6;
  packet[20 + 12] = 0x50;
  writeU16(
    packet,
    36,
    sumOf(packet.subarray(12, 20), Uint8Array.of(0, 6, 0, 20 + payload & 0xff)) +
      ((20 + payload) & 0xff00),
  );
  return packet;
}

/** RFC 1071: the sum of 16-bit words, carried around. */
function sumOf(...parts: Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (const [i, byte] of part.entries()) sum += i % 2 === 0 ? byte << 8 : byte;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** Returns true if a TCP segment's checksum is right. */
function isComplete(packet: Uint8Array): boolean {
  const length = packet.length - 20;
  const pseudo = Uint8Array.of(0, 6, length >> 8, length);
  return sumOf(packet.subarray(12, 20), pseudo, packet.subarray(20)) === 0xffff;
}

const OPEN = virtioHeader({ flags: 1, start: 20, offset: 16 });
const superHeader = (type: number, offset: number) =>
  virtioHeader({ flags: 1, type, headers: 40, size: 1_000, start: 20, offset });

Deno.test("the device leaves undone what every client can do, as clients come and go", async () => {
  await using w = new PoolRouterWorld({ takes: ALL });
  assert.deepEqual([w.device.offload, w.lines()], [0, []]);
  const all = w.join("192.0.2.1:1", A, { offload: ALL });
  assert.deepEqual([w.device.offload, w.lines()], [ALL, []]);
  const tcp = w.join("192.0.2.2:2", B, { offload: Offload.tcp });
  assert.equal(w.device.offload, Offload.tcp);
  assert.deepEqual(w.lines(), [
    "warn; offload for all clients has changed; tcp; 192.0.2.2:2 does not take all of it",
  ]);
  const none = w.join("192.0.2.3:3", ["10.8.0.4/24"]);
  assert.equal(w.device.offload, 0);
  assert.deepEqual(w.lines(), [
    "warn; offload for all clients has changed; off; 192.0.2.3:3 does not take all of it",
  ]);
  const again = w.join("192.0.2.4:4", ["10.8.0.5/24"], { offload: ALL });
  assert.deepEqual([w.device.offload, w.lines()], [0, []]);
  await all.leave();
  assert.deepEqual([w.device.offload, w.lines()], [0, []]);
  await none.leave();
  assert.equal(w.device.offload, Offload.tcp);
  assert.deepEqual(w.lines(), [
    "warn; offload for all clients has changed; tcp; 192.0.2.3:3 has left",
  ]);
  await tcp.leave();
  assert.equal(w.device.offload, ALL);
  assert.deepEqual(w.lines(), [
    "warn; offload for all clients has changed; tcp,udp; 192.0.2.2:2 has left",
  ]);
  await again.leave();
  assert.deepEqual(w.lines(), []);
});

Deno.test("a first client without offload is named; a device without any is nobody's fault", async () => {
  await using w = new PoolRouterWorld({ takes: ALL });
  const first = w.join("192.0.2.1:1", A);
  assert.deepEqual(w.lines(), [
    "warn; offload is off for all clients; 192.0.2.1:1 does not take all of it",
  ]);
  await first.leave();
  assert.deepEqual(w.lines(), [], "nobody is left for whom it matters");
  await using without = new PoolRouterWorld({ takes: 0 });
  without.join("192.0.2.1:1", A);
  without.join("192.0.2.2:2", B, { offload: ALL });
  assert.deepEqual([without.device.offload, without.lines()], [0, []]);
});

Deno.test("a device that can do less than its clients sets the limit, without a word", async () => {
  await using w = new PoolRouterWorld({ takes: Offload.tcp });
  w.join("192.0.2.1:1", A, { offload: ALL });
  w.join("192.0.2.2:2", B, { offload: Offload.tcp });
  assert.deepEqual([w.device.offload, w.lines()], [Offload.tcp, []]);
});

Deno.test("a client that takes all of it is never named as the one that does not", async () => {
  await using w = new PoolRouterWorld({ takes: ALL });
  const none = w.join("192.0.2.1:1", A);
  await none.leave();
  w.lines();
  w.join("192.0.2.2:2", B, { offload: ALL });
  assert.equal(w.device.offload, ALL);
  assert.deepEqual(w.lines().filter((line) => line.includes("192.0.2.2:2 does not take")), []);
});

Deno.test("super-packets go whole to who takes them, are dropped and counted for who does not", async () => {
  await using w = new PoolRouterWorld({ takes: ALL });
  const [a, b] = [w.join("a", A, { offload: ALL }), w.join("b", B, { offload: Offload.tcp })];
  const none = w.join("none", ["10.8.0.4/24"]);
  const [tcp, udp] = [superHeader(TCP4, 16), superHeader(UDP_GSO, 6)];
  for (const address of ["10.8.0.2", "10.8.0.3", "10.8.0.4"]) {
    w.device.injectWith(tcp, segment(SERVER4, address, 20_000));
    w.device.injectWith(udp, between(SERVER4, address, 8, 9_000));
    w.device.inject(between(SERVER4, address, 9));
  }
  await w.clock.settle();
  assert.deepEqual(a.link.sent.map(({ length }) => length), [20_040, 9_000, 60]);
  assert.deepEqual(a.link.headers, [tcp, udp, null]);
  assert.deepEqual(b.link.sent.map(({ length }) => length), [20_040, 60]);
  assert.deepEqual(b.link.headers, [tcp, null]);
  assert.deepEqual(none.link.sent.map(({ length }) => length), [60]);
  assert.equal(w.router.counters.droppedSuper, 3);
  assert.equal(w.router.counters.sentPackets, 6);
});

Deno.test("an open checksum is completed for a client without offload, and left open for the others", async () => {
  await using w = new PoolRouterWorld({ takes: ALL });
  const [a, b] = [w.join("a", A, { offload: Offload.udp }), w.join("b", B)];
  for (const payload of [0, 1, 33, 500, 1_240]) {
    for (const address of ["10.8.0.2", "10.8.0.3"]) {
      w.device.injectWith(OPEN, segment(SERVER4, address, payload));
    }
    await w.clock.settle();
    const open = a.link.sent.at(-1)!;
    assert.deepEqual(open, segment(SERVER4, "10.8.0.2", payload));
    assert.deepEqual(a.link.headers.at(-1), OPEN);
    const whole = b.link.sent.at(-1)!;
    assert.equal(b.link.headers.at(-1), null);
    assert(isComplete(whole), `${payload} bytes`);
    whole.set(segment(SERVER4, "10.8.0.3", payload).subarray(36, 38), 36);
    assert.deepEqual(whole, segment(SERVER4, "10.8.0.3", payload));
  }
});

Deno.test("one whose checksum would lie outside of it is unfit for a client without offload", async () => {
  await using w = new PoolRouterWorld({ takes: ALL });
  const a = w.join("a", A);
  w.device.injectWith(
    virtioHeader({ flags: 1, start: 20, offset: 39 }),
    segment(SERVER4, "10.8.0.2", 20),
  );
  w.device.inject(between(SERVER4, "10.8.0.2", 1));
  await w.clock.settle();
  assert.deepEqual([a.link.sent.length, w.router.counters.droppedUnfit], [1, 1]);
});

Deno.test("a client's headers are looked at before the device sees them, and go with their packets", async () => {
  await using w = new PoolRouterWorld({ takes: Offload.tcp });
  const a = w.join("a", A, { offload: ALL });
  const right = superHeader(TCP4, 16);
  const own = segment("10.8.0.2", SERVER4, 3_000);
  a.link.deliver(
    { header: superHeader(UDP_GSO, 6), packet: own }, // the device takes none such
    { header: right, packet: segment("10.8.0.3", SERVER4, 3_000) }, // foreign
    { header: right, packet: own },
    between("fd00:8::2", SERVER6, 1),
    { header: superHeader(TCP4, 17), packet: own },
    { header: OPEN, packet: segment("10.8.0.2", SERVER4, 9) },
  );
  await w.clock.settle();
  assert.deepEqual(w.device.written.map(({ length }) => length), [3_040, 60, 49]);
  assert.deepEqual(w.device.headers, [right, null, OPEN]);
  const { droppedUnfit, droppedForeign } = w.router.counters;
  assert.deepEqual([droppedUnfit, droppedForeign], [2, 1]);
});

Deno.test("a client with offload may send packets of any length, one without what a frame holds", async () => {
  await using w = new PoolRouterWorld({ takes: ALL });
  const [a, b] = [w.join("a", A, { offload: ALL }), w.join("b", B)];
  for (const size of [1_400, 1_401, 65_535]) {
    a.link.deliver(between("10.8.0.2", SERVER4, 1, size));
    b.link.deliver(between("10.8.0.3", SERVER4, 2, size));
  }
  await w.clock.settle();
  const sizes = (mark: number) =>
    w.device.written.filter((p) => p.at(-1) === mark).map(({ length }) => length);
  assert.deepEqual([sizes(1), sizes(2)], [[1_400, 1_401, 65_535], [1_400]]);
  assert.equal(w.router.counters.droppedUnfit, 2);
});

Deno.test("the largest super-packet there is goes through, again and again", async () => {
  await using w = new PoolRouterWorld({ takes: ALL });
  const a = w.join("a", A, { offload: ALL });
  const header = virtioHeader({
    flags: 1,
    type: 4,
    headers: 60,
    size: 1_200,
    start: 40,
    offset: 16,
  });
  const largest = between(SERVER6, "fd00:8::2", 1, 65_575);
  for (let i = 0; i < 5; i++) w.device.injectWith(header, largest);
  await w.clock.settle();
  assert.deepEqual(a.link.sent, new Array(5).fill(largest));
  assert.deepEqual([w.router.counters.droppedUnfit, w.router.counters.droppedSuper], [0, 0]);
});

Deno.test("the segment size of connections is clamped for each client if it was asked for", async () => {
  await using w = new PoolRouterWorld({ takes: ALL, mssClamp: true });
  const a = w.join("a", A, { offload: ALL });
  const syn = segment(SERVER4, "10.8.0.2", 4);
  syn[32] = 0x60;
  syn[33] = 2;
  syn.set([2, 4, 1_460 >> 8, 1_460 & 0xff], 40);
  w.device.injectWith(OPEN, syn);
  const udp = flowPacket(1, 2, 400);
  udp.set(parseIp("10.8.0.2")!, 16);
  w.device.inject(udp);
  await w.clock.settle();
  assert.deepEqual([...a.link.sent[0]!.subarray(42)], [1_240 >> 8, 1_240 & 0xff]);
  assert.deepEqual(a.link.sent[1], udp);
  assert.deepEqual(w.router.counters, { ...noPackets(), sentPackets: 2, sentBytes: 444 });
});
