import { deepEqual, equal, notEqual } from "node:assert/strict";
import { createSocket } from "node:dgram";
import { concat, utf8 } from "../../base/bytes.ts";
import { Offload } from "../../contract/batch.ts";
import { test } from "../../../tests/check.ts";
import { judge } from "../../../tests/e2e/checksums.ts";
import { HAS_UDP_OFFLOAD } from "../../../tests/e2e/gso_socket.ts";
import {
  FAR,
  FarTcp,
  IP_SIZE,
  NEAR,
  openHeader,
  packet,
  type Read,
  readAll,
  TCP,
  UDP,
  udp,
  type Version,
  write,
} from "../../../tests/fixture/far_side.ts";
import {
  assertOrdinary,
  carried,
  DATAGRAM,
  DATAGRAMS,
  MTU,
  openWorld,
  PORT,
  sendDatagrams,
  testUdp,
} from "../../../tests/fixture/offload_world.ts";

const VERSIONS = [4, 6] as const;
/** Type of a super-packet (linux/virtio_net.h). */
const TYPE = { tcp: { 4: 1, 6: 4 }, udp: 5 } as const;
const NO_TYPE = 2;

test("tun offload: this kernel can, a device without headers cannot", async () => {
  {
    await using world = await openWorld();
    equal(world.device.takes, HAS_UDP_OFFLOAD ? Offload.tcp | Offload.udp : Offload.tcp);
    notEqual(world.device.headroom, 0);
  }
  await using plain = await openWorld({ offload: false });
  deepEqual([plain.device.takes, plain.device.headroom], [Offload.none, 0]);
  assertOrdinary(await sendDatagrams(plain.device, 4));
});

for (const version of VERSIONS) {
  testUdp(`UDP super-packets are read while they are asked for, IPv${version}`, async () => {
    await using world = await openWorld();
    const { device } = world;
    for (const mask of [Offload.none, device.takes, Offload.tcp, Offload.udp, Offload.none]) {
      device.setOffload(mask);
      const read = await sendDatagrams(device, version);
      deepEqual(carried(read), DATAGRAMS);
      if ((mask & Offload.udp) === 0) {
        equal(read.length, 10, `mask ${mask}`);
        if (mask === Offload.none) assertOrdinary(read);
        else for (const { packet } of read) notEqual(judge(packet).checksum, "wrong");
        continue;
      }
      equal(read.length, 1, `mask ${mask}`);
      const [{ packet, hasHeader, header }] = read as [Read];
      deepEqual([hasHeader, judge(packet).checksum], [true, "open"]);
      deepEqual(header, openHeader(version, UDP, TYPE.udp, DATAGRAM));
    }
  });

  test(`tun offload: TCP super-packets both ways, IPv${version}`, async () => {
    await using world = await openWorld();
    const { device } = world;
    const mss = MTU - IP_SIZE[version] - 20;
    const connecting = Deno.connect({ hostname: FAR[version], port: PORT });
    const far = new FarTcp(device, version);
    await far.accept(mss);
    using conn = await world.within(connecting);
    for (const mask of [Offload.none, Offload.tcp, Offload.none]) {
      device.setOffload(mask);
      const sent = DATAGRAMS.slice(0, 6 * mss + 5);
      equal(await conn.write(sent), sent.length);
      const read = await readAll(device, TCP, (read) => carried(read).length >= sent.length);
      deepEqual(carried(read), sent);
      await far.acknowledge(sent.length);
      if (mask === Offload.none) {
        assertOrdinary(read);
        continue;
      }
      const { packet, hasHeader, header } = read.find(({ packet }) => packet.length > MTU)!;
      deepEqual([hasHeader, judge(packet).checksum], [true, "open"]);
      deepEqual(header, openHeader(version, TCP, TYPE.tcp[version], mss));
    }
    // Writable packet types are independent of readable ones.
    const size = 20 * 1000 + 3;
    const data = Uint8Array.from({ length: size }, (_, i) => i * 7 ^ (i >>> 8));
    await far.send(data, openHeader(version, TCP, TYPE.tcp[version], 1000));
    const got = new Uint8Array(size);
    for (let at = 0; at < size;) {
      at += await world.within(conn.read(got.subarray(at))) ?? size;
    }
    deepEqual(got, data);
    equal(device.refused, 0);
    await far.reset();
  });

  test(`tun offload: headers of written packets are kept to, IPv${version}`, async () => {
    await using world = await openWorld();
    const { device } = world;
    await using inbox = await openInbox(version);
    const made = (payload: Uint8Array, open: boolean) =>
      packet(version, UDP, udp(PORT, PORT, payload), { open });
    await write(device, made(utf8("complete"), false), null);
    await write(device, made(utf8("open"), true), openHeader(version, UDP));
    await write(device, made(utf8("open without a header: to be dropped"), true), null);
    const data = DATAGRAMS.slice(0, 3100);
    if (HAS_UDP_OFFLOAD) {
      await write(device, made(data, true), openHeader(version, UDP, TYPE.udp, 1000));
    }
    await write(device, made(utf8("last"), false), null);
    const sizes = HAS_UDP_OFFLOAD ? [1000, 1000, 1000, 100] : [];
    const received = await world.within(inbox.untilLast());
    deepEqual(received.map(({ length }) => length), [8, 4, ...sizes, 4]);
    deepEqual(concat(...received.slice(2, -1)), data.slice(0, HAS_UDP_OFFLOAD ? 3100 : 0));
    equal(device.refused, 0);
  });
}

/** The machine's own socket: what comes to it, up to the datagram "last". */
async function openInbox(version: Version) {
  const received: Uint8Array[] = [];
  const { promise, resolve } = Promise.withResolvers<Uint8Array[]>();
  const socket = createSocket(`udp${version}`, (message) => {
    received.push(new Uint8Array(message));
    if (message.toString() === "last") resolve(received);
  });
  await new Promise<void>((bound) => void socket.bind(PORT, NEAR[version], () => bound()));
  return {
    untilLast: () => promise,
    [Symbol.asyncDispose]: () => new Promise<void>((closed) => void socket.close(() => closed())),
  };
}

test("tun offload: what the kernel refuses is counted, and the next packet passes", async () => {
  await using world = await openWorld();
  const { device } = world;
  const whole = packet(4, UDP, udp(PORT, PORT, new Uint8Array(2000)), { open: true });
  const wrong = [
    { flags: 1, start: 60_000, offset: 6 },
    { flags: 1, start: 20, offset: 60_000 },
    openHeader(4, UDP, TYPE.udp, 0),
    openHeader(4, UDP, NO_TYPE, 1000),
  ];
  for (const [i, header] of wrong.entries()) {
    await write(device, whole, header);
    equal(device.refused, i + 1, JSON.stringify(header));
  }
  await write(device, whole, openHeader(4, UDP));
  equal(device.refused, wrong.length);
});
