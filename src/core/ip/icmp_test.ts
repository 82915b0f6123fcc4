import assert from "node:assert/strict";
import fc from "fast-check";
import { parseIp } from "../../base/addr.ts";
import { concat, readU16, readU32, writeU16 } from "../../base/bytes.ts";
import { packetTooBig } from "./icmp.ts";
import { isIpPacket } from "./header.ts";

fc.configureGlobal({ seed: 10 });

const A4 = parseIp("10.8.0.2")!;
const B4 = parseIp("192.0.2.9")!;
const A6 = parseIp("fc11::2")!;
const B6 = parseIp("2001:db8::9")!;

interface Ipv4 {
  size?: number;
  from?: Uint8Array;
  to?: Uint8Array;
  protocol?: number;
  /** Flags and offset: may not be fragmented, unless a test says otherwise. */
  fragment?: number;
  /** The size of the options in 32-bit words. */
  options?: number;
  /** The first byte behind the IP header: ICMP's type. */
  type?: number;
}

function ipv4(o: Ipv4 = {}): Uint8Array {
  const packet = Uint8Array.from({ length: o.size ?? 2_000 }, (_, i) => i * 37);
  const header = 20 + 4 * (o.options ?? 0);
  packet[0] = 0x40 | (header / 4);
  writeU16(packet, 2, packet.length);
  writeU16(packet, 6, o.fragment ?? 0x4000);
  packet[9] = o.protocol ?? 17;
  packet.set(o.from ?? A4, 12);
  packet.set(o.to ?? B4, 16);
  if (o.type !== undefined) packet[header] = o.type;
  return packet;
}

interface Ipv6 {
  size?: number;
  from?: Uint8Array;
  to?: Uint8Array;
  next?: number;
  type?: number;
}

function ipv6(o: Ipv6 = {}): Uint8Array {
  const packet = Uint8Array.from({ length: o.size ?? 2_000 }, (_, i) => i * 41);
  packet[0] = 0x60;
  writeU16(packet, 4, packet.length - 40);
  packet[6] = o.next ?? 17;
  packet.set(o.from ?? A6, 8);
  packet.set(o.to ?? B6, 24);
  if (o.type !== undefined) packet[40] = o.type;
  return packet;
}

/** RFC 1071 over 16-bit words, by its own arithmetic: right when the sum over all is all ones. */
function isSummed(...parts: Uint8Array[]): boolean {
  const bytes = concat(...parts);
  let sum = 0n;
  for (let i = 0; i < bytes.length; i++) sum += BigInt(bytes[i]!) << (i % 2 === 0 ? 8n : 0n);
  return sum > 0n && sum % 0xffffn === 0n;
}

function answerTo(packet: Uint8Array, mtu = 1_280): Uint8Array | null {
  const room = concat(new Uint8Array(13).fill(0xee), packet, new Uint8Array(5).fill(0xee));
  const twin = room.slice();
  const answer = packetTooBig(room, 13, packet.length, mtu);
  assert.deepEqual(room, twin, "the packet itself is left as it is");
  return answer;
}

Deno.test("IPv4: fragmentation needed, with the MTU, from the target to the sender", () => {
  for (const size of [28, 29, 547, 548, 549, 1_281, 65_515]) {
    for (const mtu of [576, 1_280, 65_514]) {
      const packet = ipv4({ size });
      const answer = answerTo(packet, mtu)!;
      const quoted = Math.min(size, 548);
      assert.equal(answer.length, 28 + quoted);
      assert.equal(isIpPacket(answer, 0, answer.length), true);
      assert.deepEqual([answer[0], readU16(answer, 2), answer[9]], [0x45, answer.length, 1]);
      assert.equal(readU16(answer, 6), 0, "in one piece");
      assert(answer[8]! >= 32, `${answer[8]} hops`);
      assert.deepEqual([answer.slice(12, 16), answer.slice(16, 20)], [B4, A4]);
      assert.deepEqual([...answer.slice(20, 22), ...answer.slice(24, 26)], [3, 4, 0, 0]);
      assert.equal(readU16(answer, 26), mtu);
      assert.deepEqual(answer.slice(28), packet.slice(0, quoted));
      assert(isSummed(answer.slice(0, 20)), "the header's checksum");
      assert(isSummed(answer.slice(20)), "the message's checksum");
    }
  }
});

Deno.test("IPv6: packet too big, with the MTU, from the target to the sender", () => {
  for (const size of [48, 49, 1_231, 1_232, 1_233, 9_000, 65_575]) {
    for (const mtu of [1_280, 65_514, 0x1_0001]) {
      const packet = ipv6({ size });
      const answer = answerTo(packet, mtu)!;
      const quoted = Math.min(size, 1_280 - 48);
      assert.equal(answer.length, 48 + quoted);
      assert.equal(isIpPacket(answer, 0, answer.length), true);
      assert.deepEqual([readU32(answer, 0), answer[6]], [0x6000_0000, 58]);
      assert.equal(readU16(answer, 4), answer.length - 40);
      assert(answer[7]! >= 32, `${answer[7]} hops`);
      assert.deepEqual([answer.slice(8, 24), answer.slice(24, 40)], [B6, A6]);
      assert.deepEqual([...answer.slice(40, 42)], [2, 0]);
      assert.equal(readU32(answer, 44), mtu);
      assert.deepEqual(answer.slice(48), packet.slice(0, quoted));
      const length = answer.length - 40;
      const pseudo = Uint8Array.of(0, 0, length >> 8, length & 0xff, 0, 0, 0, 58);
      assert(isSummed(answer.slice(8, 40), pseudo, answer.slice(40)), "the checksum");
    }
  }
});

Deno.test("IPv4 options and what is carried make no difference: it is quoted as it came", () => {
  for (const options of [0, 1, 10]) {
    for (const protocol of [6, 17, 50]) {
      const packet = ipv4({ options, protocol });
      assert.deepEqual(answerTo(packet)?.slice(28), packet.slice(0, 548));
    }
  }
});

Deno.test("no answer where the packet may be fragmented, or is a later fragment", () => {
  for (const fragment of [0, 0x2000, 0x1fff, 0x0001, 0x4001, 0x5fff, 0x6001]) {
    assert.equal(answerTo(ipv4({ fragment })), null, fragment.toString(16));
  }
  assert.notEqual(answerTo(ipv4({ fragment: 0x4000 })), null);
  assert.notEqual(answerTo(ipv4({ fragment: 0x6000 })), null);
});

Deno.test("no answer to an ICMP error, but to a question", () => {
  for (let type = 0; type < 256; type++) {
    const errors4 = [3, 4, 5, 11, 12];
    const answer4 = answerTo(ipv4({ protocol: 1, type, options: type % 11 }));
    if (errors4.includes(type)) assert.equal(answer4, null, `ICMP ${type}`);
    if (type === 8 || type === 13) assert.notEqual(answer4, null, `ICMP ${type}`);
    const answer6 = answerTo(ipv6({ next: 58, type }));
    assert.equal(answer6 === null, type < 128, `ICMPv6 ${type}`);
    assert.notEqual(answerTo(ipv4({ type })), null, "in UDP these are ports");
    assert.notEqual(answerTo(ipv6({ type })), null, "in UDP these are ports");
  }
});

Deno.test("IPv4: no answer to or from what is not one machine's address", () => {
  for (
    const address of [
      "0.0.0.0",
      "0.1.2.3",
      "127.0.0.1",
      "127.255.0.1",
      "224.0.0.1",
      "239.255.255.250",
      "240.0.0.1",
      "255.255.255.255",
    ]
  ) {
    const bytes = parseIp(address)!;
    assert.equal(answerTo(ipv4({ from: bytes })), null, `from ${address}`);
    assert.equal(answerTo(ipv4({ to: bytes })), null, `to ${address}`);
  }
  for (const address of ["1.0.0.0", "126.1.2.3", "128.0.0.1", "169.254.1.1", "223.255.255.254"]) {
    const bytes = parseIp(address)!;
    assert.notEqual(answerTo(ipv4({ from: bytes })), null, `from ${address}`);
    assert.notEqual(answerTo(ipv4({ to: bytes })), null, `to ${address}`);
  }
});

Deno.test("IPv6: no answer to or from a group, or to a sender that says none", () => {
  for (const address of ["ff02::1", "ff0e::1:2", "ff00::"]) {
    const bytes = parseIp(address)!;
    assert.equal(answerTo(ipv6({ from: bytes })), null, `from ${address}`);
    assert.equal(answerTo(ipv6({ to: bytes })), null, `to ${address}`);
  }
  assert.equal(answerTo(ipv6({ from: parseIp("::")! })), null);
  for (const address of ["fe80::1", "::2", "1::", "fe00::1"]) {
    assert.notEqual(answerTo(ipv6({ from: parseIp(address)! })), null, `from ${address}`);
  }
});

Deno.test("IPv6: no answer from or to the loopback address, or from none", () => {
  const answered = [
    ...["::", "::1"].filter((to) => answerTo(ipv6({ to: parseIp(to)! })) !== null),
    ...["::1"].filter((from) => answerTo(ipv6({ from: parseIp(from)! })) !== null),
  ];
  assert.deepEqual(answered, []);
});

Deno.test("no answer to what is cut before eight bytes of what it carries", () => {
  for (let size = 0; size < 28; size++) {
    assert.equal(answerTo(ipv4({ size: 28 }).slice(0, size)), null);
  }
  for (let size = 20; size < 68; size++) {
    assert.equal(answerTo(ipv4({ size: 80, options: 10 }).slice(0, size)), null);
  }
  for (let size = 0; size < 48; size++) {
    assert.equal(answerTo(ipv6({ size: 48 }).slice(0, size)), null);
  }
  const short = ipv4();
  for (const words of [0, 1, 4]) {
    short[0] = 0x40 | words;
    assert.equal(answerTo(short), null, "a header of less than 20 bytes");
  }
});

/** Reads an answer by its own means: lengths and checksums (RFC 791, 792, 4443 section 2.3, 8200). */
function assertSound(answer: Uint8Array): void {
  if (answer[0] === 0x45) {
    assert.equal(readU16(answer, 2), answer.length);
    assert(isSummed(answer.slice(0, 20)) && isSummed(answer.slice(20)));
    return;
  }
  assert.equal(readU16(answer, 4), answer.length - 40);
  const size = answer.length - 40;
  const pseudo = Uint8Array.of(0, 0, size >>> 8, size, 0, 0, 0, 58);
  assert(isSummed(answer.slice(8, 40), pseudo, answer.slice(40)));
}

Deno.test("a packet cut at any place is answered from eight bytes of what it carries on", () => {
  for (
    const [packet, header] of [[ipv4({ size: 90, options: 3 }), 32], [
      ipv6({ size: 90 }),
      40,
    ]] as const
  ) {
    for (let size = 0; size <= packet.length; size++) {
      const answer = answerTo(packet.slice(0, size));
      assert.equal(answer !== null, size >= header + 8, `${size} bytes`);
      if (answer === null) continue;
      assertSound(answer);
      assert.deepEqual(answer.slice(-size), packet.slice(0, size));
    }
  }
});

Deno.test("whatever the bytes are, an answer is sound or none", () => {
  const base = fc.constantFrom(
    ipv4({ size: 700 }),
    ipv4({ size: 700, options: 10, protocol: 1, type: 8 }),
    ipv6({ size: 1_500 }),
    ipv6({ size: 1_500, next: 58, type: 128 }),
  );
  const edits = fc.array(fc.tuple(fc.nat(79), fc.nat(255)), { maxLength: 4 });
  const tally = { answered: 0, none: 0 };
  const check = (packet: Uint8Array): void => {
    const answer = answerTo(packet);
    tally[answer === null ? "none" : "answered"]++;
    if (answer === null) return;
    const isV4 = packet[0]! >>> 4 === 4;
    assert(answer.length <= (isV4 ? 576 : 1_280));
    const [first, quoted] = isV4 ? [12, 28] : [8, 48];
    const size = isV4 ? 4 : 16;
    assert.deepEqual(
      answer.slice(first, first + 2 * size),
      concat(packet.slice(first + size, first + 2 * size), packet.slice(first, first + size)),
    );
    assert.deepEqual(answer.slice(quoted), packet.slice(0, answer.length - quoted));
    assertSound(answer);
    // Nobody answers an answer.
    assert.equal(answerTo(concat(answer, new Uint8Array(2_000))), null);
  };
  fc.assert(
    fc.property(base, edits, fc.nat(1_500), (packet, changes, size) => {
      const changed = packet.slice(0, size % 3 === 0 ? size : undefined);
      for (const [at, value] of changes) changed[at] = value;
      check(changed);
    }),
    { numRuns: 1_500 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), check), { numRuns: 1_500 });
  assert(tally.answered > 300 && tally.none > 300, JSON.stringify(tally));
});
