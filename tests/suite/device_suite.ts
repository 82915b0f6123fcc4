import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import { BATCH_PACKETS, makePackets, MAX_PACKET, type Packets } from "../../src/contract/batch.ts";
import type { Device } from "../../src/contract/device.ts";
import { LAYOUTS } from "../fake/layouts.ts";
import { later } from "./stream_net.ts";
import { readBatch } from "./waiting.ts";

/** A device and the machine that it is in. */
export interface DeviceWorld extends AsyncDisposable {
  readonly device: Device;
  /** Ends the device by the signal that it was opened under. */
  readonly stop: AbortController;
  /** The machine sends a packet with this payload into the tunnel; it is queued when that settles. */
  send(payload: Uint8Array): Promise<void>;
  /** A packet as one from the other side. */
  packet(payload: Uint8Array): Uint8Array;
  /** The payload of the next packet that the machine has got. */
  receive(): Promise<Uint8Array>;
  pause(ms: number): Promise<void>;
}

type Register = (name: string, run: () => Promise<void>) => void;

const LAYOUT = LAYOUTS["version 1"]!;

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The packets of a batch, as copies. */
function all(batch: Packets): Uint8Array[] {
  return Array.from(
    { length: batch.count },
    (_, i) => batch.bytes.slice(batch.offset[i]!, batch.offset[i]! + batch.length[i]!),
  );
}

/** A batch of these packets, with gaps that are not the same twice. */
function batchOf(...packets: Uint8Array[]): Packets {
  const batch = makePackets(packets.length * (MAX_PACKET + 32));
  let at = 16;
  for (const [i, packet] of packets.entries()) {
    batch.bytes.set(packet, at);
    batch.offset[i] = at;
    batch.length[i] = packet.length;
    at += packet.length + 16 + 5 * i;
  }
  batch.count = packets.length;
  return batch;
}

/** A batch with room for that many packets of any size. */
const roomFor = (packets: number) =>
  makePackets(LAYOUT.groupHeadroom + packets * (LAYOUT.headroom + MAX_PACKET + LAYOUT.tailroom));

/** Tests the contract of every Device (contract/device.ts). */
export function deviceSuite(
  label: string,
  register: Register,
  open: () => Promise<DeviceWorld>,
  o: { refuses: boolean }, // whether it looks at what is written to it
): void {
  const check = (name: string, run: (world: DeviceWorld) => Promise<void>) =>
    register(`${label}: ${name}`, async () => {
      await using world = await open();
      await run(world);
    });

  check("a packet of the machine's is read whole, with room before it", async (world) => {
    await world.send(utf8("into the tunnel"));
    const batch = roomFor(4);
    equal(await readBatch(world.device, batch, LAYOUT), 1);
    equal(batch.count, 1);
    equal(batch.offset[0], LAYOUT.groupHeadroom + LAYOUT.headroom);
    ok(text(all(batch)[0]!).endsWith("into the tunnel"));
  });

  check("a read that waits gets what comes", async (world) => {
    const batch = roomFor(1);
    const reading = later(() => readBatch(world.device, batch, LAYOUT));
    await world.pause(20);
    await world.send(utf8("at last"));
    equal(await reading, 1);
    ok(text(all(batch)[0]!).endsWith("at last"));
  });

  check("what is queued comes in one batch, in its order, room on both sides", async (world) => {
    const sizes = [1, 700, 3, 1300, 64];
    for (const size of sizes) await world.send(new Uint8Array(size).fill(size));
    const batch = roomFor(8);
    equal(await readBatch(world.device, batch, LAYOUT), sizes.length);
    all(batch).forEach((packet, i) => {
      deepEqual(packet.subarray(-sizes[i]!), new Uint8Array(sizes[i]!).fill(sizes[i]!));
    });
    for (let i = 0, at = LAYOUT.groupHeadroom + LAYOUT.headroom; i < sizes.length; i++) {
      equal(batch.offset[i], at);
      at += batch.length[i]! + LAYOUT.tailroom + LAYOUT.headroom;
    }
  });

  check(
    "a group that is full is followed by its tailroom and the headroom of the next",
    async (world) => {
      const layout = { groupHeadroom: 8, headroom: 5, tailroom: 0, groupTailroom: 16, group: 1000 };
      for (const size of [700, 700, 1300, 64, 64]) await world.send(new Uint8Array(size));
      const batch = makePackets(4 * MAX_PACKET);
      equal(await readBatch(world.device, batch, layout), 5);
      let group = layout.groupHeadroom;
      let at = group;
      for (let i = 0; i < 5; i++) {
        equal(batch.offset[i], at + layout.headroom, `packet ${i}`);
        at += layout.headroom + batch.length[i]!;
        if (at - group >= layout.group) group = at += layout.groupTailroom + layout.groupHeadroom;
      }
      equal(group > layout.groupHeadroom, true);
    },
  );

  check("a batch without room for all leaves the rest for the next", async (world) => {
    for (const word of ["one", "two", "three"]) await world.send(utf8(word));
    const batch = roomFor(1);
    const got: Uint8Array[] = [];
    while (got.length < 3) {
      await readBatch(world.device, batch, LAYOUT);
      got.push(...all(batch));
    }
    deepEqual(got.map((packet) => /(one|two|three)$/.exec(text(packet))?.[0]), [
      "one",
      "two",
      "three",
    ]);
  });

  check("a batch never has more packets than it has places", async (world) => {
    const most = BATCH_PACKETS + 20;
    for (let i = 0; i < most; i++) await world.send(utf8(`number ${i}.`));
    const batch = roomFor(8);
    equal(await readBatch(world.device, batch, LAYOUT), BATCH_PACKETS);
    equal(await readBatch(world.device, batch, LAYOUT), most - BATCH_PACKETS);
    ok(text(all(batch).at(-1)!).endsWith(`number ${most - 1}.`));
  });

  check("the machine gets all packets of a batch, wherever they lie in it", async (world) => {
    const words = ["a", "bc", "def".repeat(300)];
    await world.device.writeBatch(batchOf(...words.map((word) => world.packet(utf8(word)))));
    for (const word of words) equal(text(await world.receive()), word);
    equal(world.device.refused, 0);
  });

  check("a batch without packets changes nothing", async (world) => {
    await world.device.writeBatch(batchOf());
    equal(world.device.refused, 0);
  });

  if (o.refuses) {
    check("what is no IP packet is dropped and counted, the others get through", async (world) => {
      const good = world.packet(utf8("good"));
      await world.device.writeBatch(
        batchOf(
          good,
          utf8("zero: no version of IP"),
          new Uint8Array(),
          good,
          new Uint8Array([0x99]),
          good,
        ),
      );
      equal(world.device.refused, 3);
      for (let i = 0; i < 3; i++) {
        equal(text(await world.receive()), "good");
      }
    });
  }

  check("drain throws away what is queued, and tells how much that was", async (world) => {
    equal(world.device.drain(), 0);
    for (let i = 0; i < 7; i++) await world.send(utf8(`stale ${i}`));
    equal(world.device.drain(), 7);
    equal(world.device.drain(), 0);
    await world.send(utf8("fresh"));
    const batch = roomFor(1);
    equal(await readBatch(world.device, batch, LAYOUT), 1);
    ok(text(all(batch)[0]!).endsWith("fresh"));
  });

  check("an abort ends a pending read and all later calls with its reason", async (world) => {
    const reason = new Error("asked to stop");
    const isReason = (error: unknown) => error === reason;
    const reading = rejects(later(() => readBatch(world.device, roomFor(1), LAYOUT)), isReason);
    await world.pause(10);
    world.stop.abort(reason);
    await reading;
    await isOver(world, isReason);
    await world.device[Symbol.asyncDispose]();
  });

  check("a closed device is over: pending and later calls say so", async (world) => {
    const isLost = (error: unknown) => error instanceof TtunError && error.kind === "lost";
    const reading = rejects(later(() => readBatch(world.device, roomFor(1), LAYOUT)), isLost);
    await world.pause(10);
    await world.device[Symbol.asyncDispose]();
    await reading;
    await isOver(world, isLost);
    await world.device[Symbol.asyncDispose]();
  });
}

async function isOver(
  { device, packet }: DeviceWorld,
  why: (error: unknown) => boolean,
): Promise<void> {
  await rejects(later(() => readBatch(device, roomFor(1), LAYOUT)), why);
  await rejects(later(() => device.writeBatch(batchOf(packet(utf8("x"))))), why);
  await rejects(later(() => device.drain()), why);
}
