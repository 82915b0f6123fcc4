import assert from "node:assert/strict";
import { FakeDevice } from "../../../tests/fake/device.ts";
import { drain } from "../../../tests/fake/drain.ts";
import { recordsIn } from "../../../tests/fake/link_session.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import {
  ABLE,
  BARE,
  carry,
  layOut,
  layOutAs,
  type Parcel,
  receiveAll,
  speak,
  UNABLE,
  v2Pair,
} from "../../../tests/fake/v2_pair.ts";
import { concat, fromHex, toHex } from "../../base/bytes.ts";
import { makePackets, Offload, VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import { NO_PACKET } from "../../contract/link.ts";
import { LONGEST_PACKET } from "./accept.ts";
import { carryToDevice } from "../tun/device_loop.ts";
import type { DeviceFacts } from "./v2_link.ts";

const RANDOM = seededRng(1)(65_535);
const ZEROS = new Uint8Array(VIRTIO_NET_HEADER);

/** The texts of what the near end sends, in hex. */
async function textsOf(
  near: DeviceFacts,
  far: DeviceFacts,
  some: Parcel[],
): Promise<string[]> {
  const pair = v2Pair({ near, far });
  await pair.near.send(layOutAs(pair.near.layout, some));
  return recordsIn(pair.sessions.far.opener, await drain(pair.stream));
}

const header = fromHex("01013400e80314001000");
const some: Parcel[] = [
  { packet: RANDOM.subarray(0, 40), header },
  { packet: RANDOM.subarray(40, 140), header: null },
];
const [one, two] = some.map(({ packet }) => toHex(packet)) as [string, string];

Deno.test("to an end that takes any, every packet is frame 02, by zeros where nothing is to do", async () => {
  for (const takes of [Offload.tcp, Offload.udp, Offload.tcp | Offload.udp]) {
    assert.deepEqual(await textsOf(ABLE, { ...ABLE, takes }, some), [
      `020080000028${toHex(header)}${one}` + `020080000064${toHex(ZEROS)}${two}`,
    ]);
  }
});

Deno.test("to one that takes none, packets are frame 01, behind fillers where a device needs room", async () => {
  const plain = some.map(({ packet }) => ({ packet, header: null }));
  const filled = [`80050000000000` + `0180000028${one}` + `80050000000000` + `0180000064${two}`];
  for (
    const [near, far] of [[ABLE, BARE], [ABLE, UNABLE], [UNABLE, ABLE], [UNABLE, BARE]] as const
  ) {
    assert.deepEqual(await textsOf(near, far, plain), filled);
  }
  assert.deepEqual(await textsOf(BARE, ABLE, plain), [
    `0180000028${one}` + `0180000064${two}`,
  ]);
});

Deno.test("a link's layout holds its frames, and a device's header before every packet", () => {
  const ends = [ABLE, { ...ABLE, takes: Offload.udp }, UNABLE, BARE];
  for (const near of ends) {
    for (const far of ends) {
      const { near: { layout, offload } } = v2Pair({ near, far });
      assert.deepEqual([layout.groupHeadroom, layout.tailroom, layout.groupTailroom], [2, 0, 16]);
      assert(layout.headroom >= near.headroom);
      // The peer's offload, if it was offered the same.
      assert.equal(offload, near.takes === 0 ? 0 : far.takes);
    }
  }
});

Deno.test("a record ends once it has 16 KB, however close the packets lie", async () => {
  for (const near of [ABLE, UNABLE, BARE]) {
    const pair = v2Pair({ near });
    const { groupHeadroom, headroom } = pair.near.layout;
    const all = Array.from({ length: 40 }, (): Parcel => ({
      packet: RANDOM.subarray(0, 1280),
      header: null,
    }));
    await pair.near.send(layOut(all, (i) => i === 0 ? groupHeadroom + headroom : headroom));
    const texts = recordsIn(pair.sessions.far.opener, await drain(pair.stream));
    const sizes = texts.map((text) => text.length / 2);
    const one = 1280 + headroom;
    const full = one * Math.ceil(16 * 1024 / one);
    assert.deepEqual(sizes, [full, full, full, 40 * one - 3 * full]);
  }
});

Deno.test("an empty batch writes nothing", () => {
  const { near, writes } = v2Pair();
  assert.equal(near.send(layOut([], () => 0)), undefined);
  assert.deepEqual(writes, []);
});

Deno.test("a frame 01 from an end that could send 02 is read as well, fillers or not", async () => {
  const pair = v2Pair();
  await speak(pair, [
    fromHex(`014028${one}80050000000000` + `0180000064${two}` + `020028${toHex(header)}${one}`),
    fromHex(`01c000000000000028${one}`),
  ]);
  await pair.near.stream.closeWrite();
  const [first, second] = some as [Parcel, Parcel];
  const plain = { ...first, header: null };
  assert.deepEqual(await receiveAll(pair.far), [plain, second, first, plain]);
});

Deno.test("a packet that is longer than the device's MTU was does not break the link", async () => {
  // An administrator may raise it.
  const pair = v2Pair({ near: BARE, far: BARE });
  const [long, usual] = [17_000, 40].map((length) => ({
    packet: RANDOM.subarray(0, length),
    header: null,
  })) as [Parcel, Parcel];
  const found = await carry(pair, [layOutAs(pair.near.layout, [long, usual])]);
  assert.deepEqual(found.filter(({ packet }) => packet.length !== 17_000), [usual]);
});

Deno.test("every link carries the longest packet that a router lets through", async () => {
  const longest = { packet: RANDOM.subarray(0, LONGEST_PACKET), header: null };
  for (const near of [ABLE, UNABLE, { ...BARE, mtu: LONGEST_PACKET }]) {
    for (const far of [ABLE, UNABLE]) {
      const pair = v2Pair({ near, far });
      const found = await carry(pair, [layOutAs(pair.near.layout, [longest])]);
      const said = `${near.headroom} bytes for headers, ${pair.near.offload} is taken`;
      assert.deepEqual(found.map(({ packet }) => packet.length), [LONGEST_PACKET], said);
      assert.deepEqual(found[0]!.packet, longest.packet);
    }
  }
});

const ping = concat(Uint8Array.of(3), new Uint8Array(8));

Deno.test("frames that are no packets are dealt with a few at a time: others have their turns", async () => {
  const pair = v2Pair();
  const lots = concat(...Array.from({ length: 200 }, () => ping));
  await speak(pair, [lots, ping, ping, Uint8Array.of(5)]);
  const into = makePackets(0);
  const said: (number | undefined)[] = [];
  do said.push(pair.far.recvNow(into)); while (said.at(-1) !== undefined);
  // 200 pings are three times 64 and a rest, which goes with the next record.
  assert.deepEqual(said, [...Array(3 + 3).fill(NO_PACKET), undefined]);
});

Deno.test("what a link does beside packets counts for the turn of all others", async () => {
  const pair = v2Pair();
  await speak(pair, Array.from({ length: 80 }, () => ping));
  await pair.near.stream.closeWrite();
  await using device = new FakeDevice();
  await pair.clock.until(carryToDevice(pair.far, device, pair.clock, () => {}));
  assert.equal(pair.clock.turns, 10);
});

Deno.test("pings in one record have one answer, those in records of their own one each", async () => {
  const pair = v2Pair();
  await speak(pair, [concat(ping, ping, ping), ping]);
  const into = makePackets(0);
  while (pair.far.recvNow(into) !== undefined);
  await pair.clock.settle();
  assert.equal(await receivedPongs(pair), 2);
});

Deno.test("a flood of control frames ends the session, whatever they are; a burst does not", async () => {
  const skipped = Uint8Array.of(0x80, 0x00);
  for (const frame of [ping, skipped]) {
    const repeated = (count: number) => concat(...Array.from({ length: count }, () => frame));
    const into = makePackets(0);
    const burst = v2Pair();
    await speak(burst, [repeated(500)]);
    while (burst.far.recvNow(into) !== undefined);
    const flood = v2Pair();
    await speak(flood, [repeated(600)]);
    assert.throws(() => {
      while (flood.far.recvNow(into) !== undefined);
    }, { kind: "protocol", message: /too many control frames/ });
  }
});

Deno.test("what carries packets is no flood: fillers before many, two pieces of each, long ones", async () => {
  const many = Array.from(
    { length: 128 },
    () => ({ packet: RANDOM.subarray(0, 52), header: null }),
  );
  const acks = v2Pair({ near: ABLE, far: UNABLE });
  const batches = Array.from({ length: 600 }, () => layOutAs(acks.near.layout, many));
  assert.equal((await carry(acks, batches)).length, 76_800);

  const long = { packet: RANDOM.subarray(0, 65_524), header };
  const pieces = v2Pair();
  const sending = (async () => {
    for (let i = 0; i < 700; i++) await pieces.near.send(layOutAs(pieces.near.layout, [long]));
    await pieces.near.stream.closeWrite();
  })();
  assert.equal((await receiveAll(pieces.far)).length, 700);
  await sending;

  const piece = (flags: number, length: number) =>
    concat(
      Uint8Array.of(2, flags, 0x80, 0, length >>> 8, length),
      flags === 1 ? header : new Uint8Array(),
      RANDOM.subarray(0, length),
    );
  const small = v2Pair();
  const text = concat(piece(1, 0), piece(3, 1_024), piece(2, 0));
  const speaking = speak(small, Array.from({ length: 700 }, () => text))
    .then(() => small.near.stream.closeWrite());
  assert.equal((await receiveAll(small.far)).length, 700);
  await speaking;
});

Deno.test("a packet beside them makes pings, new keys and tiny pieces no cheaper", async () => {
  const packet = Uint8Array.of(1, 0x80, 0, 0, 1, 0x45);
  const tiny = concat(Uint8Array.of(2, 1, 0), header, Uint8Array.of(2, 3, 0, 2, 2, 1, 0x45));
  const rekey = concat(packet, Uint8Array.of(5));
  for (const [text, count] of [[concat(packet, ping), 600], [rekey, 70], [tiny, 600]] as const) {
    const pair = v2Pair();
    await speak(pair, Array.from({ length: count }, () => text), () => text === rekey);
    const into = makePackets(0);
    assert.throws(() => {
      while (pair.far.recvNow(into) !== undefined);
    }, { kind: "protocol", message: /too many control frames/ });
  }
});

/** How many records came back to the near end. */
async function receivedPongs(pair: ReturnType<typeof v2Pair>): Promise<number> {
  const into = makePackets(0);
  const before = pair.near.channel.heard;
  while (pair.near.recvNow(into) !== undefined);
  await pair.clock.settle();
  return pair.near.channel.heard - before;
}
