import assert from "node:assert/strict";
import fc from "fast-check";
import { fromHex, toHex, utf8 } from "../../base/bytes.ts";
import {
  HEADER,
  MAX_PACKET,
  MAX_PAYLOAD,
  packAck,
  packDeny,
  packFin,
  packPing,
  packPong,
  packRequest,
  parseFrame,
  writeDataHeader,
} from "./frames.ts";

const KINDS = ["short", "old", "magic", "length", "type", "payload"];

Deno.test("frames are written as tuntox writes them", () => {
  assert.equal(toHex(packPing(utf8("Hello"))), "a26b01080000000548656c6c6f");
  assert.equal(toHex(packPong(utf8("Hello"))), "a26b01000000000548656c6c6f");
  const target = { host: "127.0.0.1", port: 22 };
  assert.equal(
    toHex(packRequest(0x01020304, target)),
    "a26b06020016000d01020304" + toHex(utf8("127.0.0.1")),
  );
  assert.equal(toHex(packAck(0xfffefdfc, 0x1234)), "a26b061012340004fffefdfc");
  assert.equal(toHex(packFin(0xabcd)), "a26b0601abcd0000");
  assert.equal(toHex(packDeny(1, 5)), "a26b0604000000050000000105");
  const data = new Uint8Array(HEADER + 2).fill(7);
  writeDataHeader(data, 0xabcd, 2);
  assert.equal(toHex(data), "a26b0600abcd00020707");
});

Deno.test("every frame is read as it was written, whatever stands behind it", () => {
  const id = fc.nat(0xffff);
  const forward = fc.nat(0xffff_ffff);
  const host = fc.stringMatching(/^[a-z0-9.:-]{0,255}$/);
  const rest = fc.uint8Array({ maxLength: 9 });
  fc.assert(fc.property(id, forward, host, rest, (tunnel, forward, host, rest) => {
    const read = (packet: Uint8Array) => parseFrame(Uint8Array.of(...packet, ...rest));
    const port = tunnel;
    assert.deepEqual(read(packAck(forward, tunnel)), { kind: "ack", forward, tunnel });
    assert.deepEqual(read(packFin(tunnel)), { kind: "fin", tunnel });
    assert.deepEqual(read(packDeny(forward, 5)), { kind: "deny", forward, code: 5 });
    const request = packRequest(forward, { host, port });
    assert.deepEqual(read(request), { kind: "request", forward, host, port });
  }));
});

Deno.test("requests of every length are read or refused, and none breaks the reader", () => {
  for (let length = 0; length <= MAX_PAYLOAD; length++) {
    const packet = new Uint8Array(HEADER + length).fill(0x61);
    packet.set([0xa2, 0x6b, 6, 2, 0, 80, length >> 8, length & 0xff]);
    const frame = parseFrame(packet);
    if (length < 4) assert.equal(frame, "payload");
    else assert(typeof frame === "object" && frame.kind === "request");
    if (length >= 4) assert.equal((frame as { host: string }).host, "a".repeat(length - 4));
  }
});

Deno.test("packets that are no frames say why", () => {
  const why: [string, string][] = [
    ["", "short"],
    ["a26b0601000000", "short"],
    ["a26a060100000000", "old"],
    ["a16b060100000000", "magic"],
    ["a26b060000000001", "length"],
    ["a26b06000000ffff", "length"],
    ["a26b060000000000", "payload"],
    ["a26b061000000003000000", "payload"],
    ["a26b060400000000", "payload"],
    ["a26b060300000000", "type"],
  ];
  for (const [hex, kind] of why) assert.equal(parseFrame(fromHex(hex)), kind, hex);
  const long = new Uint8Array(MAX_PACKET + 1);
  long.set(fromHex("a26b060000000556"));
  assert.equal(parseFrame(long), "length");
});

Deno.test("any bytes, and frames with any bit flipped, are a frame or a reason", () => {
  const check = (packet: Uint8Array) => {
    const frame = parseFrame(packet);
    if (typeof frame === "string") assert(KINDS.includes(frame));
    else if ("payload" in frame) assert(frame.payload.length <= MAX_PAYLOAD);
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), check));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    check(Uint8Array.of(0xa2, 0x6b, 6, ...bytes));
  }));
  const frames = [
    packPing(utf8("Hello")),
    packRequest(7, { host: "example.net", port: 443 }),
    packAck(7, 9),
    packFin(9),
    packDeny(7, 5),
  ];
  for (const frame of frames) {
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const flipped = frame.slice();
      flipped[bit >> 3]! ^= 0x80 >> (bit & 7);
      check(flipped);
      if (bit < 16) assert.equal(typeof parseFrame(flipped), "string");
    }
    for (let size = 0; size < frame.length; size++) {
      assert.equal(typeof parseFrame(frame.subarray(0, size)), "string");
    }
  }
});
