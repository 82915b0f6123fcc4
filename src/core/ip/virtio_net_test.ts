import assert from "node:assert/strict";
import {
  type MadePacket,
  makeIpPacket,
  type NetHeader,
  netHeaderOf,
  packNetHeader,
  readNetHeader,
  type Recipe,
} from "../../../tests/fake/ip_packets.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { concat, toHex, writeU16 } from "../../base/bytes.ts";
import { isComplete, Offload, VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import { acceptHeader, Gso, gsoNeeds, needsChecksum } from "./virtio_net.ts";

const ALL = Offload.tcp | Offload.udp;
const ECN = 0x80;
const AT = VIRTIO_NET_HEADER + 3;

/** The header as it comes to lie before its packet, among other bytes. */
function laidOut(header: Partial<NetHeader>, packet: Uint8Array): Uint8Array {
  const before = new Uint8Array(AT - VIRTIO_NET_HEADER).fill(0xee);
  return concat(before, packNetHeader(header), packet, new Uint8Array(90).fill(0xee));
}

/** Runs acceptHeader; returns its verdict and the header afterwards. */
function judge(
  header: Partial<NetHeader>,
  packet: Uint8Array,
  offered = ALL,
): { isAccepted: boolean; after: NetHeader } {
  const bytes = laidOut(header, packet);
  const before = bytes.slice();
  const isAccepted = acceptHeader(bytes, AT, packet.length, offered);
  const after = readNetHeader(bytes.subarray(AT - VIRTIO_NET_HEADER, AT));
  before.set(packNetHeader(after), AT - VIRTIO_NET_HEADER);
  assert.deepEqual(bytes, before, "nothing but the header has changed");
  return { isAccepted, after };
}

const payload = seededRng(1)(3000);
const made = (recipe: Partial<Recipe>): MadePacket =>
  makeIpPacket({ version: 4, protocol: "tcp", payload, ...recipe });

const tcp4 = made({});
const tcp6 = made({ version: 6 });
const udp4 = made({ protocol: "udp" });
const udp6 = made({ version: 6, protocol: "udp" });
const SOUND: [name: string, type: number, made: MadePacket][] = [
  ["tcp4", Gso.tcp4, tcp4],
  ["tcp4 with ECN", Gso.tcp4 | ECN, tcp4],
  ["tcp6", Gso.tcp6, tcp6],
  ["tcp6 with ECN", Gso.tcp6 | ECN, tcp6],
  ["udp over IPv4", Gso.udp, udp4],
  ["udp over IPv6", Gso.udp, udp6],
  ["tcp4 with options", Gso.tcp4, made({ tcpOptions: new Uint8Array(40) })],
  ["tcp4 with IP options", Gso.tcp4, made({ ipOptions: new Uint8Array(40) })],
  ["udp over IPv4 with options", Gso.udp, made({ protocol: "udp", ipOptions: new Uint8Array(4) })],
  ["of one byte of payload", Gso.tcp4, made({ payload: new Uint8Array(1) })],
  ...[0, 43, 60].map((kind): [string, number, MadePacket] => [
    `tcp6 behind header ${kind}`,
    Gso.tcp6,
    made({ version: 6, between: [{ kind, size: 24 }] }),
  ]),
  [
    "udp over IPv6 behind three headers",
    Gso.udp,
    made({
      version: 6,
      protocol: "udp",
      between: [{ kind: 0, size: 8 }, { kind: 60, size: 2048 }, { kind: 43, size: 16 }],
    }),
  ],
];

Deno.test("a sound super-packet is accepted, and hdr_len is written anew", () => {
  for (const [name, type, it] of SOUND) {
    for (const hdrLen of [0, it.payload, 0xffff]) {
      const header = { ...netHeaderOf(it, type, 700), hdrLen };
      const { isAccepted, after } = judge(header, it.bytes);
      assert(isAccepted, name);
      assert.deepEqual(after, { ...header, hdrLen: it.payload }, name);
    }
  }
});

Deno.test("a size of fffe is one, 0 is none, and ffff means something else to the kernel", () => {
  for (const [name, type, it] of SOUND) {
    for (const size of [it.bytes.length, 0xfffe]) {
      assert(judge(netHeaderOf(it, type, size), it.bytes).isAccepted, `${name}, ${size}`);
    }
    for (const size of [0, 0xffff]) {
      assert(!judge(netHeaderOf(it, type, size), it.bytes).isAccepted, `${name}, ${size}`);
    }
  }
});

Deno.test("a super-packet has as many segments as its sender's kernel makes at the most", () => {
  for (
    const [protocol, type, most] of [["tcp", Gso.tcp4, 1366], ["udp", Gso.udp, 128]] as const
  ) {
    for (const segment of [1, 2, 40]) {
      const fits = made({ protocol, payload: new Uint8Array(most * segment) });
      assert(judge(netHeaderOf(fits, type, segment), fits.bytes).isAccepted, `${segment}`);
      const more = made({ protocol, payload: new Uint8Array(most * segment + 1) });
      assert(!judge(netHeaderOf(more, type, segment), more.bytes).isAccepted, `${segment}`);
    }
  }
});

Deno.test("a type is accepted where it was offered, and nowhere else", () => {
  for (const [name, type, it] of SOUND) {
    const bit = type === Gso.udp ? Offload.udp : Offload.tcp;
    for (const offered of [0, Offload.tcp, Offload.udp, ALL]) {
      const { isAccepted } = judge(netHeaderOf(it, type), it.bytes, offered);
      assert.equal(isAccepted, (offered & bit) !== 0, `${name}, offered ${offered}`);
    }
  }
});

Deno.test("of all flags only NEEDS_CSUM is accepted, and a super-packet needs it", () => {
  for (const [name, type, it] of [...SOUND, ["ordinary", 0, tcp4] as const]) {
    for (let flags = 0; flags < 256; flags++) {
      const { isAccepted } = judge({ ...netHeaderOf(it, type), flags }, it.bytes);
      const wanted = flags === 1 || (flags === 0 && type === 0);
      assert.equal(isAccepted, wanted, `${name}, flags ${flags}`);
    }
  }
});

Deno.test("of all types the known ones are accepted, each for the packets that it is for", () => {
  const fitting = [
    { it: tcp4, types: [0, 1, 0x81] },
    { it: tcp6, types: [0, 4, 0x84] },
    { it: udp4, types: [0, 5] },
    { it: udp6, types: [0, 5] },
  ];
  for (const { it, types } of fitting) {
    for (let type = 0; type < 256; type++) {
      const { isAccepted } = judge({ ...netHeaderOf(it, 1), type }, it.bytes);
      assert.equal(isAccepted, types.includes(type), `type ${type}`);
    }
  }
});

Deno.test("no other protocol and no other IP version will do", () => {
  for (const [name, type, it] of SOUND.slice(0, 6)) {
    const isV4 = it.bytes[0]! >>> 4 === 4;
    for (const protocol of [0, 1, 6, 17, 43, 44, 50, 51, 58, 59, 60, 132, 255]) {
      const bytes = it.bytes.slice();
      bytes[isV4 ? 9 : 6] = protocol;
      const { isAccepted } = judge(netHeaderOf(it, type), bytes);
      assert.equal(isAccepted, protocol === it.protocol, `${name}, protocol ${protocol}`);
    }
    const bytes = it.bytes.slice();
    bytes[0] = isV4 ? 0x65 : 0x45;
    assert(!judge(netHeaderOf(it, type), bytes).isAccepted, `${name} as the other version`);
  }
});

Deno.test("a super-packet of no IP version is refused", () => {
  for (const [name, type, it] of SOUND.slice(0, 6)) {
    for (const version of [0, 1, 2, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15]) {
      const bytes = it.bytes.slice();
      bytes[0] = version << 4 | 5;
      assert(!judge(netHeaderOf(it, type), bytes).isAccepted, `${name}, version ${version}`);
    }
  }
});

Deno.test("a fragment is no super-packet, the first one neither; other bits there do not matter", () => {
  for (const [type, it] of [[Gso.tcp4, tcp4], [Gso.udp, udp4]] as const) {
    for (let bit = 0; bit < 16; bit++) {
      const bytes = it.bytes.slice();
      writeU16(bytes, 6, 1 << bit);
      const { isAccepted } = judge(netHeaderOf(it, type), bytes);
      assert.equal(isAccepted, bit >= 14, `bit ${bit}`);
    }
  }
  const fragment = made({ version: 6, between: [{ kind: 44, size: 8 }] });
  assert(!judge(netHeaderOf(fragment, Gso.tcp6), fragment.bytes).isAccepted);
});

Deno.test("IPv6 headers other than 0, 43 and 60 may not stand before the transport", () => {
  for (let kind = 0; kind < 256; kind++) {
    if (kind === 6) continue; // TCP itself
    const it = made({ version: 6, between: [{ kind: 60, size: 8 }, { kind, size: 16 }] });
    const { isAccepted } = judge(netHeaderOf(it, Gso.tcp6), it.bytes);
    assert.equal(isAccepted, [0, 43, 60].includes(kind), `header ${kind}`);
  }
});

Deno.test("IPv6 headers that lead out of the packet are refused", () => {
  const it = made({
    version: 6,
    payload: payload.subarray(0, 9),
    between: [{ kind: 60, size: 8 }],
  });
  for (let words = 0; words < 256; words++) {
    const bytes = it.bytes.slice();
    bytes[41] = words;
    for (const start of [48, 40 + 8 * (words + 1)]) {
      const { isAccepted } = judge({ ...netHeaderOf(it, Gso.tcp6), start }, bytes);
      assert.equal(isAccepted, words === 0, `${words}, ${start}`);
    }
  }
  const endless = made({ version: 6, payload: new Uint8Array(80) });
  endless.bytes.fill(0, 40);
  endless.bytes[6] = 0;
  for (const start of [40, 48, 112, 120, 128]) {
    const { isAccepted } = judge({ ...netHeaderOf(endless, Gso.tcp6), start }, endless.bytes);
    assert(!isAccepted, "header 0 again and again");
  }
});

Deno.test("csum_start is where the transport begins, csum_offset its checksum's place", () => {
  for (const [name, type, it] of SOUND) {
    const right = netHeaderOf(it, type);
    for (const start of [0, 20, 40, right.start - 1, right.start + 1, right.start + 4, 0xffff]) {
      const { isAccepted } = judge({ ...right, start }, it.bytes);
      assert.equal(isAccepted, start === right.start, `${name}, start ${start}`);
    }
    for (const offset of [0, 4, 6, 7, 15, 16, 17, it.bytes.length - right.start, 0xffff]) {
      const { isAccepted } = judge({ ...right, offset }, it.bytes);
      assert.equal(isAccepted, offset === right.offset, `${name}, offset ${offset}`);
    }
  }
});

Deno.test("an IPv4 header's own length counts, and less than 20 is none", () => {
  for (const [type, it] of [[Gso.tcp4, tcp4], [Gso.udp, udp4]] as const) {
    for (let words = 0; words < 16; words++) {
      const bytes = it.bytes.slice();
      bytes[0] = 0x40 | words;
      for (const start of [20, 4 * words]) {
        const { isAccepted } = judge({ ...netHeaderOf(it, type), start }, bytes);
        // Of zeros or random bytes behind: TCP's data offset decides.
        if (words !== 5) assert(!(isAccepted && start === 20), `${words} words`);
        if (words < 5) assert(!isAccepted, `${words} words`);
      }
    }
  }
});

Deno.test("TCP's data offset is at least 5, and payload lies behind it", () => {
  const short = made({ payload: payload.subarray(0, 30) });
  for (let words = 0; words < 16; words++) {
    const bytes = short.bytes.slice();
    bytes[20 + 12] = words << 4 | 0x0f; // the low half is reserved bits
    const { isAccepted, after } = judge(netHeaderOf(short, Gso.tcp4), bytes);
    assert.equal(isAccepted, words >= 5 && 20 + 4 * words < bytes.length, `${words} words`);
    if (isAccepted) assert.equal(after.hdrLen, 20 + 4 * words);
  }
});

Deno.test("a packet cut down to its headers or into them is refused at every length", () => {
  for (const [name, type, it] of SOUND) {
    for (let length = 0; length <= it.payload + 2; length++) {
      const { isAccepted } = judge(netHeaderOf(it, type), it.bytes.subarray(0, length));
      assert.equal(isAccepted, length > it.payload, `${name}, ${length} bytes`);
    }
  }
});

Deno.test("an open checksum alone lies behind an IP header and within the packet", () => {
  const length = tcp4.bytes.length;
  const sound = { flags: 1, start: 20, offset: 16 };
  const cases: [Partial<NetHeader>, boolean][] = [
    [sound, true],
    [{ ...sound, start: 19 }, false],
    [{ ...sound, start: 0, offset: 40 }, false],
    [{ ...sound, start: length - 18 }, true],
    [{ ...sound, start: length - 17 }, false],
    [{ ...sound, start: 40, offset: length - 42 }, true],
    [{ ...sound, start: 40, offset: length - 41 }, false],
    [{ ...sound, start: 0xffff, offset: 0xffff }, false],
    [{ ...sound, offset: 0xffff }, false],
  ];
  for (const [header, wanted] of cases) {
    const said = JSON.stringify(header);
    for (const offered of [Offload.tcp, Offload.udp, ALL]) {
      assert.equal(judge(header, tcp4.bytes, offered).isAccepted, wanted, said);
    }
    assert(!judge(header, tcp4.bytes, Offload.none).isAccepted, "nothing was offered");
  }
});

Deno.test("an open checksum cannot reach an address, a port or another field of the headers", () => {
  for (const [name, type, it] of SOUND) {
    const { start: own, offset: place } = netHeaderOf(it, type);
    const behind = own + (place === 16 ? 20 : 8);
    for (let start = 0; start <= behind + 2; start++) {
      for (let offset = 0; offset <= 40; offset++) {
        const { isAccepted } = judge({ flags: 1, start, offset }, it.bytes);
        const isPlace = start >= behind || (start === own && offset === place);
        const wanted = isPlace && start + offset + 2 <= it.bytes.length;
        assert.equal(isAccepted, wanted, `${name}, start ${start}, offset ${offset}`);
      }
    }
  }
  // Without TCP or UDP, any place behind the IP header.
  const icmp = tcp6.bytes.slice();
  icmp[6] = 58;
  for (const start of [22, 38, 39, 40, 41]) {
    const { isAccepted } = judge({ flags: 1, start, offset: 2 }, icmp);
    assert.equal(isAccepted, start >= 40, `ICMPv6, start ${start}`);
  }
});

Deno.test("a fragment has no open checksum", () => {
  const second = tcp4.bytes.slice();
  second[7] = 1;
  const first = tcp4.bytes.slice();
  first[6] = 0x20;
  const v6 = tcp6.bytes.slice();
  v6[6] = 44;
  for (const [bytes, start] of [[second, 20], [first, 20], [v6, 40], [v6, 48]] as const) {
    assert(!judge({ flags: 1, start, offset: 16 }, bytes).isAccepted);
  }
});

Deno.test("where there is no super-packet, hdr_len and size are set to 0", () => {
  for (const flags of [0, 1]) {
    const header = { flags, type: 0, hdrLen: 0xffff, size: 0xffff, start: 20, offset: 16 };
    const { isAccepted, after } = judge(header, tcp4.bytes);
    assert(isAccepted);
    assert.deepEqual(after, { ...header, hdrLen: 0, size: 0 });
  }
});

Deno.test("what a header asks for is told by its first bytes", () => {
  for (const [name, type, it] of [...SOUND, ["ordinary", 0, tcp4] as const]) {
    const bytes = laidOut(netHeaderOf(it, type, 0x1234), it.bytes);
    const bit = type === 0 ? 0 : type === Gso.udp ? Offload.udp : Offload.tcp;
    assert.equal(gsoNeeds(bytes, AT), bit, name);
    assert.equal(isComplete(bytes, AT), false);
    assert(needsChecksum(bytes, AT));
  }
  const none = laidOut({ size: 7, start: 9 }, tcp4.bytes);
  assert.deepEqual(
    [gsoNeeds(none, AT), needsChecksum(none, AT)],
    [0, false],
    toHex(none.subarray(0, AT)),
  );
  assert(isComplete(none, AT));
});
