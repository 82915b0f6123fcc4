import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { concat, utf8 } from "../../base/bytes.ts";
import { type ErrorKind, TtunError } from "../../base/errors.ts";
import { makePackets, MAX_PACKET, type Packets } from "../../contract/batch.ts";
import { WindowsCode } from "../../../ffi/windows/kernel32.ts";
import { FakeWindows } from "../../../tests/fake/wintun.ts";
import { later } from "../../../tests/suite/stream_net.ts";
import { openWindowsDevice } from "./windows.ts";
import { readBatch } from "../../../tests/suite/waiting.ts";

const LAYOUT = { groupHeadroom: 8, headroom: 2, tailroom: 16, groupTailroom: 0, group: Infinity };
const V4 = Uint8Array.of(0x45);
const V6 = Uint8Array.of(0x60);

function open(windows: FakeWindows, name?: string, signal = new AbortController().signal) {
  return openWindowsDevice({ name, mtu: 1280, signal }, () => windows.lib);
}

function batchOf(...packets: Uint8Array[]): Packets {
  const batch = makePackets(packets.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const [i, packet] of packets.entries()) {
    batch.bytes.set(packet, at);
    batch.offset[i] = at;
    batch.length[i] = packet.length;
    at += packet.length;
  }
  batch.count = packets.length;
  return batch;
}

const roomFor = (packets: number) => makePackets(packets * (MAX_PACKET + 32));

Deno.test("wintun: the first free adapter is made, with a ring of 4 MiB", async () => {
  const windows = new FakeWindows();
  windows.others.add("ttun0").add("ttun1");
  await using device = open(windows);
  equal(device.name, "ttun2");
  equal(device.persistent, false);
  equal(device.headroom, 0);
  equal(device.takes, 0);
  deepEqual(windows.created, [{ name: "ttun2", type: "ttun", capacity: 0x40_0000 }]);
  deepEqual([...windows.open.values()], ["adapter", "event", "session"], "no other is kept");
});

Deno.test("wintun: an adapter of that name is used, or made", async () => {
  const windows = new FakeWindows();
  windows.others.add("office");
  {
    await using device = open(windows, "office");
    equal(device.name, "office");
    equal(device.persistent, true);
    deepEqual(windows.created, []);
  }
  const other = new FakeWindows();
  await using device = open(other, "office");
  equal(device.persistent, false);
  equal(other.created[0]?.name, "office");
});

Deno.test("wintun: session, event and adapter are closed in that order, the wait before", async () => {
  const windows = new FakeWindows();
  const device = open(windows);
  const isLost = (error: unknown) => error instanceof TtunError && error.kind === "lost";
  const reading = rejects(later(() => readBatch(device, roomFor(1), LAYOUT)), isLost);
  const closing = device[Symbol.asyncDispose]();
  deepEqual(windows.closings, [], "a wait is under way");
  await closing;
  await reading;
  deepEqual(windows.closings, ["session", "event", "adapter"]);
});

Deno.test("wintun: what the ring has no room for is dropped and counted", async () => {
  const windows = new FakeWindows();
  await using device = open(windows);
  windows.room = 1;
  await device.writeBatch(batchOf(V4, V6, V4));
  equal(device.refused, 2);
  deepEqual(windows.written, [V4]);
  windows.room = 1;
  await device.writeBatch(batchOf(V6));
  deepEqual(windows.written, [V4, V6]);
});

Deno.test("wintun: a reason that Windows has forgotten is an empty or a full ring", async () => {
  const windows = new FakeWindows();
  await using device = open(windows);
  windows.forgetful = true;
  windows.room = 0;
  await device.writeBatch(batchOf(V4));
  equal(device.refused, 1);
  const reading = later(() => readBatch(device, roomFor(1), LAYOUT));
  windows.inject(V6);
  equal(await reading, 1);
});

Deno.test("wintun: a wake-up without a packet is waited out", async () => {
  const windows = new FakeWindows();
  await using device = open(windows);
  windows.inject(V4);
  equal(await readBatch(device, roomFor(1), LAYOUT), 1);
  const reading = later(() => readBatch(device, roomFor(1), LAYOUT)); // the event is set still
  await new Promise((resolve) => setTimeout(resolve, 0));
  windows.inject(concat(V6, utf8("later")));
  equal(await reading, 1);
});

Deno.test("wintun: an adapter that was removed ends reads and writes", async () => {
  const windows = new FakeWindows();
  await using device = open(windows);
  const isRemoved = (error: unknown) =>
    error instanceof TtunError && error.kind === "system" &&
    error.message === "Lost the TUN device ttun0: it was removed";
  const reading = rejects(later(() => readBatch(device, roomFor(1), LAYOUT)), isRemoved);
  windows.remove();
  await reading;
  await rejects(later(() => device.writeBatch(batchOf(V4))), isRemoved);
});

Deno.test("wintun: a corrupt ring and a wait that fails are told", async () => {
  const windows = new FakeWindows();
  await using device = open(windows);
  windows.failing.set("WintunReceivePacket", WindowsCode.ERROR_INVALID_DATA);
  await rejects(later(() => readBatch(device, roomFor(1), LAYOUT)), /its ring is corrupt/);
  windows.failing.set("WaitForMultipleObjects", 0);
  await rejects(later(() => readBatch(device, roomFor(1), LAYOUT)), /it was removed/);
});

Deno.test("wintun: a wait that cannot be made ends the reader, and not the program", async () => {
  const windows = new FakeWindows();
  await using device = open(windows);
  windows.failing.set("WaitForMultipleObjects", -1);
  await rejects(later(() => readBatch(device, roomFor(1), LAYOUT)), /Lost the TUN device/);
});

Deno.test("wintun: what was read before the adapter went is given first", async () => {
  const windows = new FakeWindows();
  await using device = open(windows);
  windows.inject(V4);
  windows.remove();
  const batch = roomFor(2);
  equal(await readBatch(device, batch, LAYOUT), 1);
  await rejects(later(() => readBatch(device, batch, LAYOUT)), /ttun0: it was removed/);
});

for (const name of ["", "7up", 'a"b', "a b", "a=b", "-x"]) {
  Deno.test(`wintun: ${JSON.stringify(name)} is no name of a device`, () => {
    const windows = new FakeWindows();
    throws(
      () => open(windows, name),
      (error) => error instanceof TtunError && error.kind === "usage",
    );
    equal(windows.open.size, 0);
  });
}

Deno.test("wintun: an abort that came before opens nothing", () => {
  const windows = new FakeWindows();
  const reason = new Error("stopped");
  throws(() => open(windows, undefined, AbortSignal.abort(reason)), (error) => error === reason);
  equal(windows.open.size, 0);
});

const FAILURES: [string, number, ErrorKind, RegExp][] = [
  ["WintunCreateAdapter", WindowsCode.ERROR_ACCESS_DENIED, "privilege", /as administrator/],
  ["WintunCreateAdapter", 0, "system", /if ttun does not run as administrator, that is why/],
  ["WintunCreateAdapter", 1603, "system", /WintunCreateAdapter: error 1603$/],
  ["CreateEventW", 8, "system", /CreateEventW: error 8$/],
  ["WintunStartSession", WindowsCode.ERROR_ALREADY_INITIALIZED, "in_use", /another program has it/],
  ["WintunStartSession", 8, "system", /WintunStartSession: error 8$/],
  ["WintunGetReadWaitEvent", 6, "system", /WintunGetReadWaitEvent: error 6$/],
];

for (const [call, code, kind, words] of FAILURES) {
  Deno.test(`wintun: ${call} that fails with ${code} is ${kind}, and nothing stays open`, () => {
    const windows = new FakeWindows();
    windows.failing.set(call, code);
    throws(() => open(windows), (error) => {
      ok(error instanceof TtunError);
      equal(error.kind, kind);
      match(error.message, words);
      return true;
    });
    equal(windows.open.size, 0);
    ok(windows.closed);
  });
}
