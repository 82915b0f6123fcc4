import assert from "node:assert/strict";
import fc from "fast-check";
import { toHex, utf8 } from "../../base/bytes.ts";
import { HEADER, packPing, packRequest, parseFrame } from "./frames.ts";
import {
  isOfStreams,
  packEnd,
  packHello,
  packOpen,
  packOpened,
  packProbe,
  packReset,
  packWindow,
  parseStreamFrame,
  ResetCode,
  type StreamFrame,
  writeStreamHeader,
} from "./stream_frames.ts";

function packData(stream: number, bytes: Uint8Array): Uint8Array {
  const packet = new Uint8Array(HEADER + bytes.length);
  packet.set(bytes, HEADER);
  writeStreamHeader(packet, stream, bytes.length);
  return packet;
}

/** Frames with the bytes that they are on the wire. */
const KNOWN: readonly [StreamFrame, Uint8Array, string][] = [
  [{ kind: "hello", stream: 0, version: 1 }, packHello(), "a26b070600000001" + "01"],
  [
    { kind: "open", stream: 1, version: 1, window: 65_536 },
    packOpen(1, 65_536),
    "a26b070200010005" + "0100010000",
  ],
  [
    { kind: "opened", stream: 0xfffe, window: 0x01020304 },
    packOpened(0xfffe, 0x01020304),
    "a26b0703fffe0004" + "01020304",
  ],
  [
    { kind: "data", stream: 7, payload: utf8("hi") },
    packData(7, utf8("hi")),
    "a26b070000070002" + "6869",
  ],
  [{ kind: "end", stream: 7 }, packEnd(7), "a26b070100070000"],
  [
    { kind: "window", stream: 7, bytes: 0xfffffffe },
    packWindow(7, 0xfffffffe),
    "a26b070400070004" + "fffffffe",
  ],
  [
    { kind: "reset", stream: 7, code: 5 },
    packReset(7, ResetCode.version),
    "a26b070500070001" + "05",
  ],
  [
    { kind: "probe", stream: 258 },
    packProbe("probe", 258),
    "a26b010800000006" + "7474756e" + "0102",
  ],
  [
    { kind: "probed", stream: 258 },
    packProbe("probed", 258),
    "a26b010000000006" + "7474756e" + "0102",
  ],
];

Deno.test("frames of streams are written and read as the page of the wire has them", () => {
  for (const [frame, packet, hex] of KNOWN) {
    assert.equal(toHex(packet), hex);
    assert(isOfStreams(packet));
    assert.deepEqual(parseStreamFrame(packet), frame);
    assert.deepEqual(parseStreamFrame(Uint8Array.of(...packet, 1, 2, 3)), frame);
  }
});

Deno.test("tuntox passes them over, and answers a probe as any ping", () => {
  for (const [{ kind, ...rest }, packet] of KNOWN) {
    if (kind === "probe") {
      assert.deepEqual(parseFrame(packet), { kind: "ping", payload: packet.subarray(HEADER) });
    } else if (kind !== "probed") assert.equal(parseFrame(packet), "type", JSON.stringify(rest));
  }
});

Deno.test("frames of tunnels are none of streams", () => {
  const others = [packPing(utf8("Hello")), packPing(utf8("ttun")), packPing(utf8("ttunnel"))];
  others.push(packRequest(1, { host: "a", port: 80 }));
  for (const packet of others) {
    assert(!isOfStreams(packet));
    assert.equal(parseStreamFrame(packet), "type");
  }
});

Deno.test("a frame that is cut or has a bit flipped is another one or none, and nothing throws", () => {
  for (const [frame, packet] of KNOWN) {
    for (let length = 0; length < packet.length; length++) {
      const cut = packet.slice(0, length);
      assert.equal(typeof parseStreamFrame(cut), "string");
      assert(!isOfStreams(cut));
    }
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const flipped = packet.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const read = parseStreamFrame(flipped);
      if (typeof read === "string") continue;
      assert(isOfStreams(flipped));
      // The number in a ping's header says nothing.
      const isIdle = frame.kind.startsWith("probe") && bit >> 3 >= 4 && bit >> 3 < 6;
      if (!isIdle) assert.notDeepEqual(read, frame);
    }
  }
});

Deno.test("of any bytes behind a header nothing throws", () => {
  const body = fc.uint8Array({ maxLength: 40 });
  fc.assert(fc.property(fc.nat(0xffff), body, fc.nat(1400), (type, body, length) => {
    const header = [0xa2, 0x6b, type >> 8, type & 0xff, 0, 1, length >> 8, length & 0xff];
    const packet = Uint8Array.of(...header, ...body);
    const read = parseStreamFrame(packet);
    assert.equal(isOfStreams(packet) || typeof read === "string", true);
  }));
});
