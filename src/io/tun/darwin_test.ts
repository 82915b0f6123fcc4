import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { concat, utf8 } from "../../base/bytes.ts";
import { type ErrorKind, TtunError } from "../../base/errors.ts";
import { makePackets, MAX_PACKET, type Packets } from "../../contract/batch.ts";
import { DarwinErrno } from "../../../ffi/darwin/errno.ts";
import { FakeDarwin } from "../../../tests/fake/libsystem.ts";
import { later } from "../../../tests/suite/stream_net.ts";
import { openDarwinDevice } from "./darwin.ts";
import { readBatch } from "../../../tests/suite/waiting.ts";

const LAYOUT = { groupHeadroom: 8, headroom: 2, tailroom: 16, groupTailroom: 0, group: Infinity };
const V4 = Uint8Array.of(0x45);
const V6 = Uint8Array.of(0x60);

function open(darwin: FakeDarwin, name?: string, signal = new AbortController().signal) {
  return openDarwinDevice({ name, mtu: 1280, signal }, () => darwin.lib);
}

/** A batch with 16 bytes before each packet. */
function batchOf(...packets: Uint8Array[]): Packets {
  const batch = makePackets(packets.reduce((sum, { length }) => sum + 16 + length, 0));
  let at = 0;
  for (const [i, packet] of packets.entries()) {
    batch.bytes.set(packet, at += 16);
    batch.offset[i] = at;
    batch.length[i] = packet.length;
    at += packet.length;
  }
  batch.count = packets.length;
  return batch;
}

const roomFor = (packets: number) => makePackets(packets * (MAX_PACKET + 32));

Deno.test("utun: a packet is written behind its family, in network order", async () => {
  const darwin = new FakeDarwin();
  await using device = open(darwin, "utun7");
  equal(device.name, "utun7");
  equal(device.headroom, 4);
  equal(device.takes, 0);
  equal(device.persistent, false);
  await device.writeBatch(batchOf(concat(V4, utf8("four")), concat(V6, utf8("six"))));
  deepEqual(darwin.written, [
    concat(Uint8Array.of(0, 0, 0, 2), V4, utf8("four")),
    concat(Uint8Array.of(0, 0, 0, 30), V6, utf8("six")),
  ]);
});

Deno.test("utun: a packet is read without its family, and complete", async () => {
  const darwin = new FakeDarwin();
  await using device = open(darwin);
  darwin.injectRaw(Uint8Array.of(0, 0, 0, 30)); // a prefix alone is no packet
  darwin.inject(concat(V6, utf8("six")));
  const batch = roomFor(2);
  batch.hasHeader[0] = 1;
  equal(await readBatch(device, batch, LAYOUT), 1);
  deepEqual(batch.bytes.slice(10, 14), concat(V6, utf8("six")));
  deepEqual([batch.offset[0], batch.length[0], batch.hasHeader[0]], [10, 4, 0]);
});

Deno.test("utun: no room for its header is a bug of the caller's", async () => {
  const darwin = new FakeDarwin();
  await using device = open(darwin);
  const isBug = (error: unknown) => error instanceof TtunError && error.kind === "internal";
  const batch = batchOf(V4);
  batch.offset[0] = 3;
  await rejects(later(() => device.writeBatch(batch)), isBug);
  const layout = { ...LAYOUT, groupHeadroom: 2, headroom: 1 };
  await rejects(later(() => readBatch(device, roomFor(1), layout)), isBug);
});

Deno.test("utun: calls that a signal interrupts are made again", async () => {
  const darwin = new FakeDarwin();
  await using device = open(darwin);
  darwin.inject(V4);
  darwin.failing.set("read", DarwinErrno.EINTR).set("write", DarwinErrno.EINTR);
  equal(await readBatch(device, roomFor(1), LAYOUT), 1);
  await device.writeBatch(batchOf(V4, V6));
  equal(darwin.written.length, 2);
  equal(device.refused, 0);
});

Deno.test("utun: what the kernel has no buffers for is dropped and counted", async () => {
  const darwin = new FakeDarwin();
  await using device = open(darwin);
  darwin.failing.set("write", DarwinErrno.ENOBUFS);
  await device.writeBatch(batchOf(V4, V6));
  equal(device.refused, 1);
  equal(darwin.written.length, 1);
});

Deno.test("utun: a write that finds no room waits for it and goes on there", async () => {
  const darwin = new FakeDarwin();
  await using device = open(darwin);
  darwin.full = true;
  const writing = later(() => device.writeBatch(batchOf(V4, V6)));
  await Promise.resolve();
  equal(darwin.written.length, 0);
  darwin.hasRoom();
  await writing;
  equal(darwin.written.length, 2);
  equal(device.refused, 0);
});

Deno.test("utun: closing ends a write and a read that wait, then closes all descriptors", async () => {
  const darwin = new FakeDarwin();
  const device = open(darwin);
  darwin.full = true;
  const isLost = (error: unknown) => error instanceof TtunError && error.kind === "lost";
  const over = Promise.all([
    rejects(later(() => device.writeBatch(batchOf(V4))), isLost),
    rejects(later(() => readBatch(device, roomFor(1), LAYOUT)), isLost),
  ]);
  await Promise.resolve();
  const closing = device[Symbol.asyncDispose]();
  equal(darwin.open.size, 3, "polls are under way");
  await closing;
  await over;
  equal(darwin.open.size, 0);
  ok(darwin.closed);
});

Deno.test("utun: a device that was removed ends reads and writes", async () => {
  const darwin = new FakeDarwin();
  await using device = open(darwin);
  const isRemoved = (error: unknown) =>
    error instanceof TtunError && error.kind === "system" &&
    error.message === "Lost the TUN device utun3: it was removed";
  const reading = rejects(later(() => readBatch(device, roomFor(1), LAYOUT)), isRemoved);
  darwin.remove();
  await reading;
  await rejects(later(() => device.writeBatch(batchOf(V4))), isRemoved);
});

Deno.test("utun: what was read before the device went is given first", async () => {
  const darwin = new FakeDarwin();
  await using device = open(darwin);
  darwin.inject(V4);
  darwin.failing.set("read:2", DarwinErrno.ENXIO).set("read:3", DarwinErrno.ENXIO);
  equal(await readBatch(device, roomFor(2), LAYOUT), 1);
  await rejects(later(() => readBatch(device, roomFor(2), LAYOUT)), /utun3: it was removed/);
});

Deno.test("utun: many waits are one poll each, and none while packets are there", async () => {
  const darwin = new FakeDarwin();
  await using device = open(darwin);
  darwin.inject(V4);
  await readBatch(device, roomFor(1), LAYOUT);
  equal(darwin.polls, 0);
  const reading = readBatch(device, roomFor(1), LAYOUT);
  darwin.inject(V6);
  equal(await reading, 1);
  equal(darwin.polls, 1);
});

for (const name of ["tun0", "ttun0", "utun", "utun01", "utun-1", "utun123456", "utun7 "]) {
  Deno.test(`utun: ${JSON.stringify(name)} is no name of a device`, () => {
    const darwin = new FakeDarwin();
    throws(
      () => open(darwin, name),
      (error) =>
        error instanceof TtunError && error.kind === "usage" && /utun7/.test(error.message),
    );
    equal(darwin.open.size, 0);
  });
}

Deno.test("utun: an abort that came before opens nothing", () => {
  const darwin = new FakeDarwin();
  const reason = new Error("stopped");
  throws(() => open(darwin, undefined, AbortSignal.abort(reason)), (error) => error === reason);
  equal(darwin.open.size, 0);
});

const FAILURES: [string, number, ErrorKind, RegExp][] = [
  ["socket", DarwinErrno.EMFILE, "exhausted", /out of descriptors/],
  ["pipe", DarwinErrno.ENFILE, "exhausted", /out of descriptors/],
  ["ioctl", DarwinErrno.ENOENT, "system", /this kernel has none/],
  ["connect", DarwinErrno.EPERM, "privilege", /run ttun with sudo/],
  ["connect", DarwinErrno.EBUSY, "in_use", /utun7: another program has it/],
  ["connect", DarwinErrno.EINVAL, "system", /connect: EINVAL/],
  ["fcntl", DarwinErrno.EBADF, "system", /fcntl: EBADF/],
  ["fcntl:3", DarwinErrno.EBADF, "system", /fcntl: EBADF/],
  ["getsockopt", DarwinErrno.ENXIO, "system", /UTUN_OPT_IFNAME: ENXIO/],
];

for (const [call, errno, kind, words] of FAILURES) {
  Deno.test(`utun: ${call} that fails with ${errno} is ${kind}, and nothing stays open`, () => {
    const darwin = new FakeDarwin();
    darwin.failing.set(call, errno);
    throws(() => open(darwin, "utun7"), (error) => {
      ok(error instanceof TtunError);
      equal(error.kind, kind);
      match(error.message, words);
      return true;
    });
    equal(darwin.open.size, 0);
    ok(darwin.closed);
  });
}
