import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { FakeDevice } from "../../../tests/fake/device.ts";
import {
  checksumOf,
  leaveOpen,
  type MadePacket,
  makeIpPacket,
  type NetHeader,
  netHeaderOf,
  packNetHeader,
  readNetHeader,
  type Recipe,
} from "../../../tests/fake/ip_packets.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { OffloadLink } from "../../../tests/fake/offload_link.ts";
import { onePeer } from "../../../tests/fake/port.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { sessionPair } from "../../../tests/fake/v1_session.ts";
import { ABLE, ALL_OFFLOADS, type Parcel, UNABLE, v2Pair } from "../../../tests/fake/v2_pair.ts";
import { ipPacket } from "../../../tests/fake/tun_programs.ts";
import { readU16, writeU16 } from "../../base/bytes.ts";
import { Offload } from "../../contract/batch.ts";
import { Gso } from "../../core/ip/virtio_net.ts";
import { PeerRouter } from "./peer_router.ts";
import { V1Link } from "../link/v1_link.ts";
import { read } from "../loop/stream_io.ts";

const LONGEST = 1_400;
const payload = seededRng(1)(9_000);

/** A router that runs, and the session of a link. */
function world(o: { takes?: number; mssClamp?: boolean; device?: FakeDevice } = {}) {
  const clock = new FakeClock();
  const device = o.device ?? new FakeDevice(1280, o.takes ?? ALL_OFFLOADS);
  const router = new PeerRouter(device, clock, { mssClamp: o.mssClamp ?? false, longest: LONGEST });
  const traffic = { sentBytes: 0, receivedBytes: 0 };
  router.run(new AbortController().signal).catch(() => {});
  const begin = (link: Parameters<PeerRouter["session"]>[0]) =>
    router.session(link, onePeer(traffic));
  return { clock, device, router, begin, traffic, counters: router.counters };
}

/** A packet as the kernel leaves it to its device, and the header that says so. */
function open(recipe: Partial<Recipe>, type: number): { made: MadePacket; header: NetHeader } {
  const made = makeIpPacket({ version: 4, protocol: "tcp", payload, ...recipe });
  leaveOpen(made);
  return { made, header: netHeaderOf(made, type) };
}

const SUPERS = {
  tcp4: { ...open({}, Gso.tcp4), needs: Offload.tcp },
  "tcp4 with ECN": { ...open({}, Gso.tcp4 | 0x80), needs: Offload.tcp },
  tcp6: { ...open({ version: 6 }, Gso.tcp6), needs: Offload.tcp },
  udp4: { ...open({ protocol: "udp" }, Gso.udp), needs: Offload.udp },
  udp6: { ...open({ version: 6, protocol: "udp" }, Gso.udp), needs: Offload.udp },
};
const short = { payload: payload.subarray(0, 101) };
const OPEN = [
  open({ ...short }, Gso.none),
  open({ ...short, version: 6 }, Gso.none),
  open({ ...short, protocol: "udp" }, Gso.none),
  open({ ...short, version: 6, protocol: "udp" }, Gso.none),
];
const MASKS = [Offload.none, Offload.tcp, Offload.udp, ALL_OFFLOADS];

const inject = (device: FakeDevice, { made, header }: { made: MadePacket; header: NetHeader }) =>
  device.injectWith(packNetHeader(header), made.bytes);

Deno.test("the device leaves undone what both it and the peer take, anew with each session", async () => {
  for (const takes of MASKS) {
    const w = world({ takes });
    for (const offload of [...MASKS, ...MASKS.toReversed()]) {
      const link = new OffloadLink(offload);
      const session = w.begin(link);
      assert.equal(w.device.offload, takes & offload, `${takes} & ${offload}`);
      link.end();
      await session;
    }
  }
});

Deno.test("with a link of version 1, or a peer that takes none, the device does all itself", async () => {
  const [stream, far] = memoryPair();
  const v1 = new V1Link(stream, sessionPair().client);
  for (const link of [v1, v2Pair({ near: ABLE, far: UNABLE }).near]) {
    const w = world();
    w.device.setOffload(ALL_OFFLOADS); // as an earlier session left it
    const session = w.begin(link);
    assert.equal(w.device.offload, Offload.none);
    await link[Symbol.asyncDispose]();
    await assert.rejects(session, { kind: "lost" });
  }
  assert.equal(await read(far, new Uint8Array(1)), null);
});

Deno.test("what the device makes while it is told comes too early", async () => {
  const w = world();
  await w.clock.settle();
  const setOffload = w.device.setOffload.bind(w.device);
  w.device.setOffload = (mask) => {
    inject(w.device, SUPERS.tcp4);
    setOffload(mask);
  };
  const link = new OffloadLink(ALL_OFFLOADS);
  const session = w.begin(link);
  await w.clock.settle();
  assert.deepEqual([link.sent, w.counters.droppedWithoutPeer], [[], 1]);
  link.end();
  await session;
});

for (const [name, it] of Object.entries(SUPERS)) {
  Deno.test(`a super-packet, ${name}, goes as it is to who takes it, and is else dropped and counted`, async () => {
    for (const offload of MASKS) {
      const w = world();
      const link = new OffloadLink(offload);
      const session = w.begin(link);
      w.device.inject(ipPacket(1));
      inject(w.device, it);
      w.device.inject(ipPacket(2));
      await w.clock.settle();
      const passes = (it.needs & offload) !== 0;
      const header = packNetHeader(it.header);
      assert.deepEqual(link.sent, [
        { packet: ipPacket(1), header: null },
        ...(passes ? [{ packet: it.made.bytes, header }] : []),
        { packet: ipPacket(2), header: null },
      ]);
      const { droppedSuper, droppedUnfit, sentPackets, sentBytes } = w.counters;
      assert.deepEqual([droppedSuper, droppedUnfit], [passes ? 0 : 1, 0]);
      assert.equal(sentPackets, passes ? 3 : 2);
      assert.equal(sentBytes, 80 + (passes ? it.made.bytes.length : 0));
      assert.equal(w.traffic.sentBytes, sentBytes);
      link.end();
      await session;
    }
  });

  Deno.test(`a super-packet, ${name}, is written where it was offered, its header's length made right`, async () => {
    for (const takes of MASKS) {
      const w = world({ takes });
      const link = new OffloadLink(ALL_OFFLOADS);
      const session = w.begin(link);
      const header = { ...it.header, hdrLen: 0xffff };
      link.deliver(
        { packet: ipPacket(1), header: null },
        { packet: it.made.bytes, header: packNetHeader(header) },
        { packet: ipPacket(2), header: null },
      );
      await w.clock.settle();
      const passes = (it.needs & takes) !== 0;
      assert.deepEqual(w.device.written, [
        ipPacket(1),
        ...(passes ? [it.made.bytes] : []),
        ipPacket(2),
      ]);
      assert.deepEqual(w.device.headers, [
        null,
        ...(passes ? [packNetHeader(it.header)] : []),
        null,
      ]);
      assert.equal(w.counters.droppedUnfit, passes ? 0 : 1);
      assert.equal(w.counters.receivedPackets, passes ? 3 : 2);
      link.end();
      await session;
    }
  });
}

Deno.test("an open checksum is completed for a peer that takes none, and left open for any other", async () => {
  for (const offload of MASKS) {
    const w = world();
    const link = new OffloadLink(offload);
    const session = w.begin(link);
    for (const one of OPEN) inject(w.device, one);
    await w.clock.settle();
    const wanted = OPEN.map(({ made, header }): Parcel => {
      if (offload !== 0) return { packet: made.bytes, header: packNetHeader(header) };
      const packet = made.bytes.slice();
      writeU16(packet, made.transport + made.checksum, checksumOf(made));
      return { packet, header: null };
    });
    assert.deepEqual(link.sent, wanted);
    assert.equal(w.counters.sentPackets, OPEN.length);
    link.end();
    await session;
  }
});

Deno.test("an open checksum outside of its packet is dropped and counted where it must be completed", async () => {
  const w = world();
  const link = new OffloadLink(Offload.none);
  const session = w.begin(link);
  const { made } = OPEN[0]!;
  for (const [start, offset] of [[20, made.bytes.length - 21], [0xffff, 0xffff]] as const) {
    w.device.injectWith(packNetHeader({ flags: 1, start, offset }), made.bytes);
  }
  await w.clock.settle();
  assert.deepEqual([link.sent, w.counters.droppedUnfit], [[], 2]);
  link.end();
  await session;
});

Deno.test("an open checksum makes no packet longer than one that a link without offload carries", async () => {
  const w = world();
  const link = new OffloadLink(Offload.none);
  const session = w.begin(link);
  const sizes = [LONGEST, LONGEST + 1, 65_535].map((size) => size - 40);
  for (const size of sizes) {
    inject(w.device, open({ payload: new Uint8Array(size) }, Gso.none));
  }
  await w.clock.settle();
  assert.deepEqual(link.sent.map(({ packet }) => packet.length), [LONGEST]);
  assert.equal(w.counters.droppedUnfit, 2);
  link.end();
  await session;
});

Deno.test("of super-packets any size passes, to who takes them and from him", async () => {
  const w = world();
  const link = new OffloadLink(ALL_OFFLOADS);
  const session = w.begin(link);
  const all = [LONGEST + 1, 65_536].map((size) =>
    open({ version: 6, payload: new Uint8Array(size - 60) }, Gso.tcp6)
  );
  for (const one of all) inject(w.device, one);
  link.deliver(...all.map(({ made, header }) => ({
    packet: made.bytes,
    header: packNetHeader(header),
  })));
  await w.clock.settle();
  assert.deepEqual(link.sent.map(({ packet }) => packet.length), [LONGEST + 1, 65_536]);
  assert.deepEqual(w.device.written.map((packet) => packet.length), [LONGEST + 1, 65_536]);
  link.end();
  await session;
});

Deno.test("what a peer's header says wrongly is dropped and counted, and never written", async () => {
  const { made, header } = SUPERS.tcp4;
  const wrong: Partial<NetHeader>[] = [
    { flags: 3 },
    { flags: 0 },
    { type: 3 },
    { type: Gso.tcp6 },
    { type: Gso.udp },
    { size: 0 },
    { start: 24 },
    { offset: 6 },
    { start: 0xffff, offset: 0xffff },
    { type: 0, start: 0, offset: 10 },
    { type: 0, start: made.bytes.length },
  ];
  const w = world();
  const link = new OffloadLink(ALL_OFFLOADS);
  const session = w.begin(link);
  const packets = wrong.map((change): Parcel => ({
    packet: made.bytes,
    header: packNetHeader({ ...header, ...change }),
  }));
  link.deliver(...packets);
  for (const packet of packets) link.deliver(packet, { packet: ipPacket(7), header: null });
  const noIp = { packet: new Uint8Array(60), header: packNetHeader(header) };
  link.deliver(noIp);
  await w.clock.settle();
  assert.deepEqual(w.device.written, wrong.map(() => ipPacket(7)));
  assert.deepEqual(w.device.headers, wrong.map(() => null));
  assert.equal(w.counters.droppedUnfit, 2 * wrong.length + 1);
  assert.equal(w.counters.receivedPackets, wrong.length);
  link.end();
  await session;
});

/** A SYN whose only option is an MSS of 1460. */
function syn(version: 4 | 6): MadePacket {
  const tcpOptions = Uint8Array.of(2, 4, 1460 >> 8, 1460 & 0xff);
  const made = makeIpPacket({ version, protocol: "tcp", payload: new Uint8Array(), tcpOptions });
  made.bytes[made.transport + 13] = 2;
  return made;
}

Deno.test("the MSS of a SYN with an open checksum is clamped, and the checksum is left as it is", async () => {
  for (const version of [4, 6] as const) {
    const w = world({ mssClamp: true });
    const link = new OffloadLink(ALL_OFFLOADS);
    const session = w.begin(link);
    const made = syn(version);
    leaveOpen(made);
    const header = netHeaderOf(made, Gso.none);
    inject(w.device, { made, header });
    link.deliver({ packet: made.bytes, header: packNetHeader(header) });
    await w.clock.settle();
    const clamped = made.bytes.slice();
    writeU16(clamped, made.transport + 22, version === 4 ? 1240 : 1220);
    assert.deepEqual(link.sent, [{ packet: clamped, header: packNetHeader(header) }]);
    assert.deepEqual(w.device.written, [clamped]);
    assert.deepEqual(readNetHeader(w.device.headers[0]!), header);
    link.end();
    await session;
  }
});

Deno.test("the MSS is clamped and the checksum right, where it is completed here or was", async () => {
  for (const version of [4, 6] as const) {
    for (const isOpen of [true, false]) {
      const w = world({ mssClamp: true });
      const link = new OffloadLink(Offload.none);
      const session = w.begin(link);
      const made = syn(version);
      if (isOpen) leaveOpen(made);
      else writeU16(made.bytes, made.transport + made.checksum, checksumOf(made));
      if (isOpen) inject(w.device, { made, header: netHeaderOf(made, Gso.none) });
      else w.device.inject(made.bytes);
      await w.clock.settle();
      const [{ packet, header }] = link.sent as [Parcel];
      assert.equal(header, null);
      assert.equal(readU16(packet, made.transport + 22), version === 4 ? 1240 : 1220);
      const given = readU16(packet, made.transport + made.checksum);
      assert.equal(given % 0xffff, checksumOf({ ...made, bytes: packet }) % 0xffff);
      link.end();
      await session;
    }
  }
});

Deno.test("without a link, super-packets are dropped and counted, and nobody gets them later", async () => {
  const w = world();
  const links = [new OffloadLink(ALL_OFFLOADS), new OffloadLink(ALL_OFFLOADS)] as const;
  inject(w.device, SUPERS.tcp4);
  await w.clock.settle();
  assert.equal(w.counters.droppedWithoutPeer, 1);
  const session = w.begin(links[0]);
  inject(w.device, SUPERS.tcp6);
  await w.clock.settle();
  links[0].end();
  await session;
  // The device still makes them: its mask stands until the next session.
  inject(w.device, SUPERS.udp4);
  inject(w.device, OPEN[0]!);
  await w.clock.settle();
  assert.equal(w.counters.droppedWithoutPeer, 3);
  const next = w.begin(links[1]);
  await w.clock.settle();
  assert.deepEqual(links.map(({ sent }) => sent.length), [1, 0]);
  assert.deepEqual([w.device.written, w.device.queued], [[], 0]);
  assert.deepEqual([w.counters.sentPackets, w.counters.droppedSuper], [1, 0]);
  links[1].end();
  await next;
});
