import assert from "node:assert/strict";
import fc from "fast-check";
import { writeU16 } from "../../base/bytes.ts";
import { addressSize, flowOf, sourceOffset } from "./header.ts";

fc.configureGlobal({ seed: 11 });

interface Flow {
  readonly version: 4 | 6;
  readonly protocol: number;
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly ports: Uint8Array;
}

/** Fields in which packets of one flow may differ. */
interface Rest {
  readonly noise: Uint8Array;
  readonly options: number;
  readonly length: number;
  readonly fragment?: number;
}

const TCP = 6;
const UDP = 17;

function packetOf({ version, protocol, from, to, ports }: Flow, rest: Rest): Uint8Array {
  const header = version === 4 ? 20 + 4 * rest.options : 40;
  const packet = new Uint8Array(Math.max(rest.length, header + 8));
  for (let i = 0; i < packet.length; i++) packet[i] = rest.noise[i % rest.noise.length]! + i;
  if (version === 4) {
    packet[0] = 0x40 | (header / 4);
    writeU16(packet, 6, rest.fragment ?? 0x4000);
    packet[9] = protocol;
  } else {
    packet[0] = 0x60 | (packet[0]! & 0x0f); // the traffic class may differ
    packet[6] = protocol;
  }
  packet.set([...from, ...to], version === 4 ? 12 : 8);
  packet.set(ports, header);
  return packet;
}

const flow: fc.Arbitrary<Flow> = fc.constantFrom<4 | 6>(4, 6).chain((version) => {
  const address = fc.uint8Array({
    minLength: version === 4 ? 4 : 16,
    maxLength: version === 4 ? 4 : 16,
  });
  return fc.record({
    version: fc.constant(version),
    protocol: fc.constantFrom(TCP, UDP),
    from: address,
    to: address,
    ports: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  });
});
const rest: fc.Arbitrary<Rest> = fc.record({
  noise: fc.uint8Array({ minLength: 1, maxLength: 30 }),
  options: fc.nat(10),
  length: fc.nat(300),
});

/** The flow of a packet that lies somewhere among other bytes. */
function flowAt(packet: Uint8Array, at: number, fill: number): number {
  const bytes = new Uint8Array(at + packet.length + 20).fill(fill);
  bytes.set(packet, at);
  return flowOf(bytes, at, packet.length);
}

Deno.test("all packets of a TCP or UDP flow have the same number, of 32 bits", () => {
  fc.assert(
    fc.property(flow, rest, rest, fc.nat(40), (f, one, other, at) => {
      const number = flowAt(packetOf(f, one), at, 0xee);
      assert.equal(flowAt(packetOf(f, other), 3, 0x11), number);
      assert(Number.isInteger(number) && number >= 0 && number < 2 ** 32);
    }),
    { numRuns: 1_000 },
  );
});

/** Another flow: one byte differs of those that identify it. */
function neighbour(f: Flow, part: "from" | "to" | "ports", at: number, by: number): Flow {
  const bytes = f[part].slice();
  bytes[at % bytes.length]! ^= by;
  return { ...f, [part]: bytes };
}

Deno.test("a byte of an address or a port, or the protocol, makes another number nearly always", () => {
  let [same, all] = [0, 0];
  fc.assert(
    fc.property(
      flow,
      rest,
      fc.constantFrom("from", "to", "ports"),
      fc.nat(15),
      fc.integer({ min: 1, max: 255 }),
      (f, r, part, at, by) => {
        const number = flowAt(packetOf(f, r), 0, 0);
        const other = { ...f, protocol: f.protocol === TCP ? UDP : TCP };
        for (const g of [neighbour(f, part as "from", at, by), other]) {
          all++;
          if (flowAt(packetOf(g, r), 0, 0) === number) same++;
        }
      },
    ),
    { numRuns: 2_000 },
  );
  assert(same < all / 500, `${same} of ${all} the same`);
});

Deno.test("flows as they come are spread over their lowest twelve bits", () => {
  const f: Flow = {
    version: 4,
    protocol: TCP,
    from: Uint8Array.of(10, 1, 1, 2),
    to: Uint8Array.of(192, 0, 2, 1),
    ports: new Uint8Array(4),
  };
  const f6 = {
    ...f,
    version: 6 as const,
    from: new Uint8Array(16),
    to: new Uint8Array(16).fill(1),
  };
  const r = { noise: Uint8Array.of(0), options: 0, length: 60 };
  const port = (n: number) => Uint8Array.of(n >> 8, n, 1, 187);
  const kinds: Record<string, (i: number) => Flow> = {
    "source ports": (i) => ({ ...f, ports: port(32_768 + i) }),
    "source ports, each second": (i) => ({ ...f, ports: port(32_768 + 2 * i) }),
    "senders": (i) => ({ ...f, from: Uint8Array.of(10, 1, i >> 8, i) }),
    "receivers": (i) => ({ ...f, to: Uint8Array.of(10, 1, i >> 8, i) }),
    "IPv6 source ports": (i) => ({ ...f6, ports: port(32_768 + i) }),
    "IPv6 senders": (i) => ({ ...f6, from: Uint8Array.of(0xfc, ...new Uint8Array(13), i >> 8, i) }),
  };
  for (const [name, make] of Object.entries(kinds)) {
    const found = new Set(
      Array.from({ length: 1_000 }, (_, i) => flowAt(packetOf(make(i), r), 0, 0) & 0xfff),
    );
    // By chance alone it would be 888.
    assert(found.size > 750, `${name}: ${found.size} of 1000`);
  }
});

Deno.test("of a fragment the addresses and the protocol alone count: the later ones have no ports", () => {
  fc.assert(
    fc.property(flow.filter(({ version }) => version === 4), rest, (f, r) => {
      const other = { ...f, ports: Uint8Array.of(1, 2, 3, 4) };
      const numbers = [0x2000, 0x2001, 0x0001, 0x1fff].flatMap((fragment) => [
        flowAt(packetOf(f, { ...r, fragment }), 0, 0),
        flowAt(packetOf(other, { ...r, fragment }), 0, 0),
      ]);
      assert.equal(new Set(numbers).size, 1);
    }),
  );
});

Deno.test("whether a packet may be fragmented does not make it another flow", () => {
  fc.assert(
    fc.property(flow.filter(({ version }) => version === 4), rest, (f, r) => {
      assert.equal(
        flowAt(packetOf(f, { ...r, fragment: 0 }), 0, 0),
        flowAt(packetOf(f, { ...r, fragment: 0x4000 }), 0, 0),
      );
    }),
  );
});

Deno.test("other protocols have no ports: what is behind the header does not count", () => {
  const others = fc.constantFrom(1, 58, 50, 47, 44, 0, 132);
  fc.assert(
    fc.property(flow, others, rest, rest, (f, protocol, one, other) => {
      const g = { ...f, protocol };
      assert.equal(
        flowAt(packetOf(g, one), 0, 0),
        flowAt(packetOf({ ...g, ports: Uint8Array.of(9, 9, 9, 9) }, other), 0, 0),
      );
    }),
  );
});

Deno.test("ports are read inside the packet alone", () => {
  fc.assert(
    fc.property(flow, fc.nat(10), fc.nat(3), (f, options, kept) => {
      const whole = packetOf(f, { noise: Uint8Array.of(3), options, length: 0 });
      const header = f.version === 4 ? 20 + 4 * options : 40;
      const packet = whole.slice(0, header + kept);
      assert.equal(flowAt(packet, 5, 0x00), flowAt(packet, 5, 0xff));
    }),
  );
});

Deno.test("whatever the bytes are, nothing is thrown, and what lies behind 40 bytes or the end is not read", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(100), (packet, length) => {
      const size = Math.min(length, packet.length);
      const number = flowOf(packet, 0, size);
      assert(Number.isInteger(number) && number >= 0 && number < 2 ** 32);
      const twin = packet.slice();
      twin.fill(0xa5, Math.max(40, size));
      assert.equal(flowOf(twin, 0, size), number);
      assert.equal(flowOf(packet, packet.length, 0), flowOf(new Uint8Array(0), 0, 0));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("addressSize() is 4 or 16 for what has room for a header, else 0", () => {
  const cases: [first: number, length: number, wanted: number][] = [
    [0x45, 20, 4],
    [0x4f, 60, 4],
    [0x45, 19, 0],
    [0x45, 0, 0],
    [0x60, 40, 16],
    [0x6f, 1_280, 16],
    [0x60, 39, 0],
    [0x60, 20, 0],
    [0x00, 40, 0],
    [0x50, 40, 0],
    [0x70, 40, 0],
    [0xff, 40, 0],
  ];
  for (const [first, length, wanted] of cases) {
    const bytes = new Uint8Array(9 + length + 50).fill(0x45);
    bytes[9] = first;
    assert.equal(addressSize(bytes, 9, length), wanted, `${first.toString(16)}, ${length} bytes`);
  }
  assert.equal(addressSize(new Uint8Array(0), 0, 0), 0);
});

Deno.test("sourceOffset() is where the sender's address begins, and the target's is behind it", () => {
  fc.assert(
    fc.property(flow, rest, (f, r) => {
      const packet = packetOf(f, r);
      const size = addressSize(packet, 0, packet.length);
      assert(size !== 0);
      const at = sourceOffset(size);
      assert.deepEqual(packet.slice(at, at + size), f.from);
      assert.deepEqual(packet.slice(at + size, at + 2 * size), f.to);
    }),
    { numRuns: 200 },
  );
});
