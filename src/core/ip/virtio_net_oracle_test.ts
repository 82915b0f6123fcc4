import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type MadePacket,
  makeIpPacket,
  type NetHeader,
  netHeaderOf,
  packNetHeader,
  readNetHeader,
} from "../../../tests/fake/ip_packets.ts";
import { concat } from "../../base/bytes.ts";
import { Offload, VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import { isIpPacket } from "./header.ts";
import { acceptHeader } from "./virtio_net.ts";

fc.configureGlobal({ seed: 6 });

/**
 * A second reading of docs/wire/link-v2.md, "Frames": what hdr_len is to become where the header may
 * pass, or why it may not.
 */
function ruling(h: NetHeader, packet: Uint8Array, offered: number): number | string {
  if (h.flags > 1) return "flags";
  const open = h.flags === 1;
  if (open && h.start + h.offset + 2 > packet.length) return "beyond the packet";
  if (h.type === 0) {
    if (!open) return 0;
    return offered === 0 ? "nothing offered" : lonelyChecksum(h, packet);
  }
  const kinds: Record<number, { version: number[]; protocol: number; bit: number; place: number }> =
    {
      0x01: { version: [4], protocol: 6, bit: 1, place: 16 },
      0x81: { version: [4], protocol: 6, bit: 1, place: 16 },
      0x04: { version: [6], protocol: 6, bit: 1, place: 16 },
      0x84: { version: [6], protocol: 6, bit: 1, place: 16 },
      0x05: { version: [4, 6], protocol: 17, bit: 2, place: 6 },
    };
  const kind = kinds[h.type];
  if (kind === undefined) return "type";
  if ((offered & kind.bit) === 0) return "not offered";
  if (!open || h.size === 0) return "no checksum or size";
  const ip = ipHeaders(packet);
  if (typeof ip === "string") return ip;
  if (!kind.version.includes(ip.version) || ip.protocol !== kind.protocol) return "protocol";
  if (h.start !== ip.size || h.offset !== kind.place) return "place of the checksum";
  const rest = packet.subarray(ip.size);
  if (rest.length < (kind.bit === 1 ? 20 : 8)) return "headers cut";
  const own = kind.bit === 1 ? (rest[12]! >> 4) * 4 : 8;
  if (own < 20 && kind.bit === 1) return "data offset";
  return rest.length > own ? ip.size + own : "no payload";
}

function lonelyChecksum(h: NetHeader, packet: Uint8Array): 0 | string {
  const ip = ipHeaders(packet);
  if (typeof ip === "string") return ip;
  if (ip.protocol === 44 && ip.version === 6) return "fragment";
  if (h.start < ip.size) return "inside of the IP header";
  const header = ({ 6: { size: 20, place: 16 }, 17: { size: 8, place: 6 } })[ip.protocol];
  if (header === undefined || h.start - ip.size >= header.size) return 0;
  const isOwn = h.start === ip.size && h.offset === header.place;
  return isOwn ? 0 : "another field of the transport";
}

function ipHeaders(packet: Uint8Array) {
  const version = packet[0]! >> 4;
  if (version === 4) {
    const size = (packet[0]! % 16) * 4;
    if (size < 20) return "header length";
    if (packet[6]! % 64 > 0 || packet[7]! > 0) return "fragment";
    return { version, protocol: packet[9]!, size };
  }
  let protocol = packet[6]!;
  let rest = packet.subarray(40);
  while (protocol === 0 || protocol === 43 || protocol === 60) {
    const size = 8 + 8 * (rest[1] ?? 0);
    if (rest.length < size) return "cut";
    protocol = rest[0]!;
    rest = rest.subarray(size);
  }
  return { version, protocol, size: packet.length - rest.length };
}

/** Changes to a valid header and its packet: mostly of a byte that some rule checks. */
const value = fc.oneof(fc.constant(0), fc.nat(64), fc.nat(255));
const edit = fc.oneof(
  fc.tuple(fc.nat(VIRTIO_NET_HEADER - 1), value),
  fc.tuple(fc.constant(VIRTIO_NET_HEADER), fc.oneof(fc.integer({ min: 0x40, max: 0x4f }), value)),
  fc.tuple(fc.constantFrom(6, 7, 9, 32, 40, 41, 44, 52).map((at) => VIRTIO_NET_HEADER + at), value),
  fc.tuple(fc.nat(80), value),
);
const made: fc.Arbitrary<MadePacket> = fc.record({
  version: fc.constantFrom<4 | 6>(4, 6),
  protocol: fc.constantFrom<"tcp" | "udp">("tcp", "udp"),
  payload: fc.uint8Array({ maxLength: 40 }),
  ipOptions: fc.constantFrom(new Uint8Array(), new Uint8Array(8)),
  tcpOptions: fc.constantFrom(new Uint8Array(), new Uint8Array(12)),
  between: fc.array(
    fc.record({
      kind: fc.constantFrom(0, 43, 60, 0, 43, 60, 44, 135),
      size: fc.constantFrom(8, 16, 16, 264),
    }),
    { maxLength: 3 },
  ),
}).map(makeIpPacket);
const offers = fc.constantFrom(0, Offload.tcp, Offload.udp, Offload.tcp | Offload.udp);

function check(header: Uint8Array, packet: Uint8Array, offered: number): number | string {
  const before = new Uint8Array(7).fill(0xee);
  const bytes = concat(before, header, packet, new Uint8Array(300).fill(0x3c));
  const wanted = ruling(readNetHeader(header), packet, offered);
  const isAccepted = acceptHeader(bytes, 7 + VIRTIO_NET_HEADER, packet.length, offered);
  assert.equal(isAccepted, typeof wanted === "number", `${wanted}`);
  if (typeof wanted === "number") {
    const after = readNetHeader(bytes.subarray(7, 17));
    const { size, ...same } = readNetHeader(header);
    assert.deepEqual(after, { ...same, size: same.type === 0 ? 0 : size, hdrLen: wanted });
  }
  return wanted;
}

Deno.test("a header that was changed a little, or its packet, is judged as by a second reading", () => {
  const seen = new Map<string, number>();
  const types = fc.constantFrom(0, 1, 4, 5, 0x81, 0x84, 0x85, 0x80, 3);
  const rightType = ({ bytes, protocol }: MadePacket) =>
    protocol === 17 ? 5 : bytes[0]! >>> 4 === 4 ? 1 : 4;
  fc.assert(
    fc.property(
      made,
      fc.option(types, { freq: 3 }),
      fc.array(edit, { maxLength: 2 }),
      fc.option(fc.nat(90), { freq: 3 }),
      offers,
      (it, type, edits, cut, offered) => {
        const header = packNetHeader(netHeaderOf(it, type ?? rightType(it), 100));
        const whole = concat(header, it.bytes);
        for (const [at, value] of edits) if (at < whole.length) whole[at] = value;
        const packet = whole.subarray(VIRTIO_NET_HEADER).slice(0, cut ?? Infinity);
        fc.pre(isIpPacket(packet, 0, packet.length)); // what is none is refused before
        const found = check(whole.subarray(0, VIRTIO_NET_HEADER), packet, offered);
        const name = typeof found === "number" ? (found === 0 ? "ordinary" : "super") : found;
        seen.set(name, (seen.get(name) ?? 0) + 1);
      },
    ),
    { numRuns: 20_000 },
  );
  // Every rule was the one that decided, again and again.
  assert.equal(seen.size, 18, [...seen.keys()].join());
  for (const [name, times] of seen) assert(times >= 10, `${name}: ${times}`);
});

Deno.test("garbage never throws, and passes only where a second reading lets it", () => {
  const garbage = fc.uint8Array({ minLength: 20, maxLength: 200, size: "max" });
  const header = fc.uint8Array({ minLength: 10, maxLength: 10 });
  let passed = 0;
  fc.assert(
    fc.property(
      garbage,
      header,
      fc.constantFrom(4, 6),
      offers,
      (packet, head, version, offered) => {
        packet[0] = version << 4 | packet[0]! & 15;
        fc.pre(isIpPacket(packet, 0, packet.length));
        head[0]! &= 3; // else flags alone decide
        head[1]! &= 0x85;
        if (typeof check(head, packet, offered) === "number") passed++;
      },
    ),
    { numRuns: 5000 },
  );
  assert(passed > 100, `${passed}`);
});

Deno.test("a packet of any length, even none, is judged without an error", () => {
  const any = fc.uint8Array({ maxLength: 60, size: "max" });
  fc.assert(
    fc.property(any, fc.uint8Array({ minLength: 10, maxLength: 10 }), offers, (packet, head, o) => {
      const bytes = concat(head, packet);
      assert.equal(typeof acceptHeader(bytes, VIRTIO_NET_HEADER, packet.length, o), "boolean");
    }),
    { numRuns: 2000 },
  );
});

Deno.test("a header that was accepted is accepted again, and stays as it was written", () => {
  let accepted = 0;
  fc.assert(
    fc.property(made, fc.array(edit, { maxLength: 2 }), offers, (it, edits, offered) => {
      const type = it.protocol === 17 ? 5 : it.bytes[0]! >>> 4 === 4 ? 1 : 4;
      const bytes = concat(packNetHeader(netHeaderOf(it, type, 100)), it.bytes);
      for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
      const length = it.bytes.length;
      if (!acceptHeader(bytes, VIRTIO_NET_HEADER, length, offered)) return;
      accepted++;
      const once = bytes.slice();
      assert.equal(acceptHeader(bytes, VIRTIO_NET_HEADER, length, offered), true);
      assert.deepEqual(bytes, once);
    }),
    { numRuns: 1_000 },
  );
  assert.ok(accepted > 100, `${accepted} accepted`);
});
