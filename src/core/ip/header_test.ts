import assert from "node:assert/strict";
import fc from "fast-check";
import { readU16, toHex, writeU16 } from "../../base/bytes.ts";
import { clampMss, isIpPacket, unseenPacket } from "./header.ts";

Deno.test("isIpPacket() wants version 4 with 20 bytes or version 6 with 40", () => {
  const cases: [version: number, length: number, wanted: boolean][] = [
    [4, 20, true],
    [4, 19, false],
    [4, 65535, true],
    [6, 40, true],
    [6, 39, false],
    [6, 20, false],
    [4, 0, false],
    [6, 0, false],
  ];
  for (let version = 0; version < 16; version++) {
    if (version !== 4 && version !== 6) cases.push([version, 1280, false]);
  }
  for (const [version, length, wanted] of cases) {
    const bytes = new Uint8Array(7 + length + 1);
    bytes[7] = (version << 4) | 5;
    assert.equal(isIpPacket(bytes, 7, length), wanted, `version ${version}, ${length} bytes`);
  }
});

Deno.test("isIpPacket() looks at the packet alone, not at what lies around it", () => {
  const bytes = Uint8Array.of(0x45, ...new Uint8Array(20), 0x45);
  assert.equal(isIpPacket(bytes, 1, 20), false);
  assert.equal(isIpPacket(bytes, 0, 20), true);
});

Deno.test("the unseen packet is ::1 to ::1 with one hop and no next header", () => {
  const packet = unseenPacket();
  const loopback = "00000000000000000000000000000001";
  //                version/class/flow, length 0, next header 59, hop limit 1
  assert.equal(toHex(packet), `60000000${"0000"}${"3b"}${"01"}${loopback}${loopback}`);
  assert.equal(isIpPacket(packet, 0, packet.length), true);
});

Deno.test("each unseen packet is an array of its own", () => {
  unseenPacket().fill(0);
  assert.equal(unseenPacket()[0], 0x60);
});

interface Syn {
  version: 4 | 6;
  flags: number;
  ipOptions: number; // in 32-bit words, IPv4 alone
  options: Uint8Array; // a multiple of four bytes
  payload: Uint8Array;
  fragment?: number;
  protocol?: number;
}

/** A TCP segment with a right checksum, as a host sends it. */
function makeSyn(syn: Syn): Uint8Array {
  const ipSize = syn.version === 4 ? 20 + 4 * syn.ipOptions : 40;
  const tcpSize = 20 + syn.options.length;
  const packet = new Uint8Array(ipSize + tcpSize + syn.payload.length);
  if (syn.version === 4) {
    packet[0] = 0x40 | (ipSize / 4);
    writeU16(packet, 2, packet.length);
    writeU16(packet, 6, syn.fragment ?? 0x4000);
    packet[9] = syn.protocol ?? 6;
    packet.set([192, 0, 2, 1, 198, 51, 100, 2], 12);
  } else {
    packet[0] = 0x60;
    writeU16(packet, 4, packet.length - 40);
    packet[6] = syn.protocol ?? 6;
    for (let i = 8; i < 40; i++) packet[i] = 7 * i;
  }
  packet.set([0x30, 0x39, 0x4e, 0xeb, 1, 2, 3, 4], ipSize);
  packet[ipSize + 12] = (tcpSize / 4) << 4;
  packet[ipSize + 13] = syn.flags;
  packet.set(syn.options, ipSize + 20);
  packet.set(syn.payload, ipSize + tcpSize);
  writeU16(packet, ipSize + 16, checksum(packet));
  return packet;
}

/** The TCP checksum that the packet should have, from all its bytes (RFC 9293, RFC 8200). */
function checksum(packet: Uint8Array): number {
  const isV4 = packet[0]! >>> 4 === 4;
  const ipSize = isV4 ? (packet[0]! & 15) * 4 : 40;
  const segment = packet.slice(ipSize);
  writeU16(segment, 16, 0);
  const addresses = isV4 ? packet.slice(12, 20) : packet.slice(8, 40);
  let sum = 6 + segment.length;
  for (const part of [addresses, segment]) {
    for (let i = 0; i < part.length; i++) sum += i % 2 === 0 ? part[i]! << 8 : part[i]!;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** In ones' complement 0000 and ffff are the same number. */
function sameSum(one: number, other: number): boolean {
  return one % 0xffff === other % 0xffff;
}

const mssOption = (mss: number) => [2, 4, mss >>> 8, mss & 0xff];
const before = fc.array(
  fc.constantFrom([1], [1], [3, 3, 7], [4, 2], [8, 10, 1, 2, 3, 4, 5, 6, 7, 8], [30, 5, 9, 9, 9]),
  { maxLength: 4 },
).map((options) => options.flat()).filter((options) => options.length <= 32);

const syn = fc.record({
  version: fc.constantFrom<4 | 6>(4, 6),
  flags: fc.constantFrom(0x02, 0x12, 0xc2),
  ipOptions: fc.nat(10),
  before,
  mss: fc.nat(0xffff),
  payload: fc.uint8Array({ maxLength: 9 }),
});

/** Options up to a multiple of four bytes, the rest no-ops. */
function padded(options: number[]): Uint8Array {
  const whole = new Uint8Array(Math.ceil(options.length / 4) * 4).fill(1);
  whole.set(options);
  return whole;
}

Deno.test("clampMss() lowers the MSS to what the MTU carries, at any offset, with the right checksum", () => {
  let lowered = 0;
  let odd = 0;
  fc.assert(
    fc.property(syn, fc.integer({ min: 576, max: 9000 }), fc.nat(5), (s, mtu, at) => {
      const packet = makeSyn({ ...s, options: padded([...s.before, ...mssOption(s.mss)]) });
      const limit = mtu - (s.version === 4 ? 40 : 60);
      const bytes = new Uint8Array(at + packet.length + 3).fill(0xee);
      bytes.set(packet, at);
      clampMss(bytes, at, packet.length, mtu);
      const clamped = bytes.slice(at, at + packet.length);
      const ipSize = s.version === 4 ? 20 + 4 * s.ipOptions : 40;
      const mssAt = ipSize + 20 + s.before.length + 2;
      assert.equal(readU16(clamped, mssAt), Math.min(s.mss, limit));
      assert.ok(sameSum(readU16(clamped, ipSize + 16), checksum(clamped)));
      if (s.mss > limit) {
        lowered++;
        if (s.before.length % 2 === 1) odd++;
      } else assert.deepEqual(clamped, packet);
      // Nothing else has changed, in the packet or around it.
      writeU16(clamped, mssAt, s.mss);
      clamped.set(packet.subarray(ipSize + 16, ipSize + 18), ipSize + 16);
      assert.deepEqual(clamped, packet);
      bytes.fill(0xee, at, at + packet.length);
      assert.ok(bytes.every((byte) => byte === 0xee));
    }),
    { numRuns: 2000 },
  );
  assert.ok(lowered > 300 && odd > 100, `${lowered} lowered, ${odd} at an odd offset`);
});

function untouched(packet: Uint8Array, why: string, mtu = 1280): void {
  const clamped = packet.slice();
  clampMss(clamped, 0, clamped.length, mtu);
  assert.deepEqual(clamped, packet, why);
}

const usual: Syn = {
  version: 4,
  flags: 2,
  ipOptions: 0,
  options: Uint8Array.from(mssOption(1460)),
  payload: new Uint8Array(),
};

Deno.test("clampMss() changes the usual SYN, so that the tests below mean something", () => {
  for (const version of [4, 6] as const) {
    const packet = makeSyn({ ...usual, version });
    clampMss(packet, 0, packet.length, 1280);
    assert.equal(readU16(packet, packet.length - 2), version === 4 ? 1240 : 1220);
  }
});

Deno.test("clampMss() leaves alone what is no SYN, no TCP or no first fragment", () => {
  for (const version of [4, 6] as const) {
    untouched(makeSyn({ ...usual, version, flags: 0x10 }), "an ACK");
    untouched(makeSyn({ ...usual, version, protocol: 17 }), "UDP");
  }
  untouched(makeSyn({ ...usual, fragment: 0x2001 }), "a later fragment");
  const first = makeSyn({ ...usual, fragment: 0x2000 });
  clampMss(first, 0, first.length, 1280);
  assert.equal(readU16(first, first.length - 2), 1240);
});

Deno.test("clampMss() believes no option behind an end, of a wrong size, or cut off", () => {
  const cases: Record<string, number[]> = {
    "behind the end of the list": [0, 4, 1, 1, ...mssOption(1460)],
    "behind an option of size 0": [9, 0, 1, 1, ...mssOption(1460)],
    "behind an option of size 1": [9, 1, 1, 1, ...mssOption(1460)],
    "behind one longer than the list": [9, 200, 1, 1, ...mssOption(1460)],
    "inside of another option": [9, 8, 1, 1, ...mssOption(1460)],
    "an MSS of size 3": [2, 3, 255, 1],
    "an MSS of size 5": [2, 5, 255, 255, 1, 1, 1, 1],
    "an MSS cut off after its kind": [1, 1, 1, 2],
    "an MSS cut off after its size": [1, 1, 2, 4],
    "an MSS cut off in its value": [1, 2, 4, 255],
  };
  for (const [why, options] of Object.entries(cases)) {
    untouched(makeSyn({ ...usual, options: Uint8Array.from(options) }), why);
    untouched(makeSyn({ ...usual, version: 6, options: Uint8Array.from(options) }), why);
  }
});

Deno.test("clampMss() makes no MSS of an MTU that has no room for one", () => {
  untouched(makeSyn(usual), "an MTU of 40", 40);
  untouched(makeSyn(usual), "an MTU of 0", 0);
});

Deno.test("clampMss() never changes a byte outside of the packet, whatever it is made of", () => {
  // Enough structure that many reach the options.
  const header = fc.constantFrom(
    makeSyn({ ...usual, options: new Uint8Array(40) }),
    makeSyn({ ...usual, ipOptions: 10, options: new Uint8Array(40) }),
    makeSyn({ ...usual, version: 6, options: new Uint8Array(40) }),
  );
  const options = fc.array(fc.oneof(fc.nat(5), fc.nat(255)), { maxLength: 60 });
  const edits = fc.array(fc.tuple(fc.nat(99), fc.nat(255)), { maxLength: 3 });
  fc.assert(
    fc.property(header, options, edits, fc.nat(140), (base, tail, changed, length) => {
      const room = new Uint8Array(200).fill(0xee);
      room.set(base, 20);
      room.set(tail, 20 + base.length - 40);
      for (const [at, value] of changed) room[20 + at] = value;
      const twin = room.slice();
      clampMss(room, 20, length, 1280);
      assert.deepEqual(room.subarray(0, 20), twin.subarray(0, 20));
      assert.deepEqual(room.subarray(20 + length), twin.subarray(20 + length));
      const differs = room.filter((byte, i) => byte !== twin[i]).length;
      assert.ok(differs <= 4, `${differs} bytes changed`);
    }),
    { numRuns: 5000 },
  );
});
