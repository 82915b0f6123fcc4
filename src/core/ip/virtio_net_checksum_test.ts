import assert from "node:assert/strict";
import fc from "fast-check";
import {
  checksumOf,
  leaveOpen,
  type MadePacket,
  makeIpPacket,
  netHeaderOf,
  packNetHeader,
  UDP,
} from "../../../tests/fake/ip_packets.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import vectors from "../../../tests/vector/link-v2.json" with { type: "json" };
import { concat, fromHex, readU16, toHex, writeU16 } from "../../base/bytes.ts";
import { VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import { completeChecksum } from "./virtio_net.ts";

fc.configureGlobal({ seed: 5 });

const ROUND = new Uint8Array(40).fill(0xee);
const AT = ROUND.length + VIRTIO_NET_HEADER;

/** Returns the packet with its checksum completed; null if that was refused. */
function completed(header: Uint8Array, packet: Uint8Array): Uint8Array | null {
  const bytes = concat(ROUND, header, packet, ROUND);
  const isDone = completeChecksum(bytes, AT, packet.length);
  assert.deepEqual(bytes.subarray(0, AT), concat(ROUND, header));
  assert.deepEqual(bytes.subarray(AT + packet.length), ROUND);
  const after = bytes.slice(AT, AT + packet.length);
  if (!isDone) assert.deepEqual(after, packet, "a packet that is refused is left alone");
  return isDone ? after : null;
}

const between = fc.array(
  fc.record({ kind: fc.constantFrom(0, 43, 60), size: fc.constantFrom(8, 24) }),
  { maxLength: 2 },
);
const made: fc.Arbitrary<MadePacket> = fc.record({
  version: fc.constantFrom<4 | 6>(4, 6),
  protocol: fc.constantFrom<"tcp" | "udp">("tcp", "udp"),
  payload: fc.uint8Array({ maxLength: 200, size: "max" }),
  ipOptions: fc.constantFrom(new Uint8Array(), new Uint8Array(4).fill(1)),
  tcpOptions: fc.constantFrom(new Uint8Array(), new Uint8Array(12).fill(1)),
  between,
}).map(makeIpPacket);

/** In ones' complement 0000 and ffff are the same number. */
const sameSum = (one: number, other: number) => one % 0xffff === other % 0xffff;

Deno.test("completeChecksum() gives the checksum that the packet's sender would have", () => {
  const seen = { odd: 0, udp: 0, v6: 0 };
  fc.assert(
    fc.property(made, (it) => {
      leaveOpen(it);
      const field = it.transport + it.checksum;
      const after = completed(packNetHeader(netHeaderOf(it, 0)), it.bytes);
      assert(after !== null);
      assert(sameSum(readU16(after, field), checksumOf(it)));
      if (it.protocol === UDP) assert.notEqual(readU16(after, field), 0, "RFC 768: none");
      writeU16(after, field, readU16(it.bytes, field));
      assert.deepEqual(after, it.bytes, "nothing else has changed");
      if (it.bytes.length % 2 === 1) seen.odd++;
      if (it.protocol === UDP) seen.udp++;
      if (it.bytes[0] === 0x60) seen.v6++;
    }),
    { numRuns: 1000 },
  );
  assert(Math.min(...Object.values(seen)) > 300, JSON.stringify(seen));
});

Deno.test("a UDP checksum that comes to zero is written as ffff, whatever the payload", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 2, maxLength: 99 }), (payload) => {
    for (const version of [4, 6] as const) {
      const it = makeIpPacket({ version, protocol: "udp", payload });
      // The first word becomes what the checksum would be without it: then all sums up to ffff.
      writeU16(it.bytes, it.payload, 0);
      writeU16(it.bytes, it.payload, checksumOf(it));
      leaveOpen(it);
      const after = completed(packNetHeader(netHeaderOf(it, 0)), it.bytes);
      assert.equal(readU16(after!, it.transport + it.checksum), 0xffff);
    }
  }));
});

Deno.test("large packets have right checksums, whatever is carried over", () => {
  const random = seededRng(1)(66_000);
  for (let i = 0; i < 32; i++) {
    const payload = random.subarray(i, i + (i % 2 === 0 ? 65_507 : 30_000) - i);
    const it = makeIpPacket({ version: i % 3 === 0 ? 6 : 4, protocol: "tcp", payload });
    leaveOpen(it);
    const after = completed(packNetHeader(netHeaderOf(it, 0)), it.bytes)!;
    assert(sameSum(readU16(after, it.transport + it.checksum), checksumOf(it)), `${i}`);
  }
});

for (const c of vectors.checksums) {
  Deno.test(`known checksum: ${c.note}`, () => {
    assert.equal(toHex(completed(fromHex(c.header), fromHex(c.packet))!), c.completed);
  });
}

Deno.test("a place outside of the packet is refused, the last one inside is not", () => {
  const word = fc.oneof(fc.nat(70), fc.nat(0xffff));
  const seen = [0, 0];
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 120, size: "max" }),
      word,
      word,
      (packet, start, offset) => {
        const after = completed(packNetHeader({ flags: 1, start, offset }), packet);
        assert.equal(after !== null, start + offset + 2 <= packet.length);
        seen[after === null ? 0 : 1]!++;
      },
    ),
    { numRuns: 2000 },
  );
  assert(Math.min(...seen) > 100, seen.join());
});

Deno.test("the longest packets of all ones have a sum that fits", () => {
  for (const length of [65_535, 65_575]) {
    const packet = new Uint8Array(length).fill(0xff);
    const after = completed(packNetHeader({ flags: 1, start: 0, offset: 16 }), packet)!;
    // Ones alone: the sum is ffff, but for an odd byte of ff00.
    assert.equal(readU16(after, 16), length % 2 === 0 ? 0xffff : 0x00ff, `${length}`);
  }
});
