import assert from "node:assert/strict";
import fc from "fast-check";
import {
  checksumOf,
  leaveOpen,
  type MadePacket,
  makeIpPacket,
  netHeaderOf,
  packNetHeader,
} from "../../../tests/fake/ip_packets.ts";
import { layOut, type Parcel, parcelsIn } from "../../../tests/fake/v2_pair.ts";
import { concat, writeU16, writeU32 } from "../../base/bytes.ts";
import { makePackets, Offload } from "../../contract/batch.ts";
import { Joiner } from "./joining.ts";
import { Segments, writeHeaderChecksum } from "./segmentation.ts";
import { acceptHeader, completeChecksum, Gso } from "./virtio_net.ts";

const ALL = Offload.tcp | Offload.udp;

interface Super {
  version: 4 | 6;
  protocol: "tcp" | "udp";
  payload: Uint8Array;
  size: number;
  options: number;
  sequence: number;
  id: number;
  flags: number;
}

const supers: fc.Arbitrary<Super> = fc.record({
  version: fc.constantFrom(4, 6),
  protocol: fc.constantFrom("tcp", "udp"),
  payload: fc.uint8Array({ minLength: 2, maxLength: 6000 }),
  size: fc.integer({ min: 1, max: 1400 }),
  options: fc.integer({ min: 0, max: 3 }),
  sequence: fc.integer({ min: 0, max: 0xffff_ffff }),
  id: fc.integer({ min: 0, max: 0xffff }),
  flags: fc.constantFrom(0x10, 0x18, 0x19, 0x11),
});

/** A super-packet as the kernel hands it out, and its header. */
function superPacket(o: Super): Parcel & { made: MadePacket } {
  const isTcp = o.protocol === "tcp";
  const made = makeIpPacket({
    ...o,
    ...(isTcp ? { tcpOptions: new Uint8Array(4 * o.options).fill(1) } : {}),
  });
  const { bytes, transport } = made;
  if (o.version === 4) {
    writeU16(bytes, 4, o.id);
    writeHeaderChecksum(bytes, 0);
  }
  if (isTcp) {
    writeU32(bytes, transport + 4, o.sequence);
    bytes[transport + 13] = o.flags;
  }
  leaveOpen(made);
  const type = !isTcp ? Gso.udp : o.version === 4 ? Gso.tcp4 : Gso.tcp6;
  return { packet: bytes, header: packNetHeader(netHeaderOf(made, type, o.size)), made };
}

/** Cuts a super-packet; the pieces' checksums are 0. */
function cut(parcel: Parcel): Uint8Array[] {
  const { bytes, offset, length } = layOut([parcel], () => 10);
  assert(acceptHeader(bytes, offset[0]!, length[0]!, ALL));
  const segments = new Segments();
  segments.take(bytes, offset[0]!, length[0]!);
  return Array.from({ length: segments.count }, (_, i) => {
    const piece = new Uint8Array(segments.lengthOf(i));
    segments.write(i, piece, 0);
    return piece;
  });
}

function join(pieces: readonly Uint8Array[], offload = ALL): Parcel[] {
  const joiner = new Joiner(offload);
  const found: Parcel[] = [];
  const into = makePackets(0);
  for (const piece of pieces) {
    if (joiner.isFull) {
      joiner.give(into);
      found.push(...parcelsIn(into));
    }
    assert(joiner.add(piece, 0, piece.length, true));
  }
  joiner.give(into);
  found.push(...parcelsIn(into));
  for (let i = 0; i < found.length; i++) {
    const { bytes, offset, length } = layOut([found[i]!], () => 10);
    assert(acceptHeader(bytes, offset[0]!, length[0]!, offload || ALL), "the kernel would take it");
  }
  return found;
}

/** The packet with the checksum that it should have. */
function completed({ packet, header }: Parcel): Uint8Array {
  const { bytes, offset, length } = layOut([{ packet, header }], () => 10);
  if (header !== null) assert(completeChecksum(bytes, offset[0]!, length[0]!));
  return bytes.slice(offset[0]!, offset[0]! + length[0]!);
}

Deno.test("what was cut comes out joined as it was, or cut where the kernel would not join it", () => {
  fc.assert(fc.property(supers, (o) => {
    const whole = superPacket(o);
    if (o.payload.length <= o.size || Math.ceil(o.payload.length / o.size) > 60) return;
    const pieces = cut(whole);
    const joined = join(pieces);
    assert.equal(joined.length, 1);
    assert.deepEqual(joined[0]!.packet, whole.packet);
    assert.deepEqual(joined[0]!.header, whole.header);
  }));
});

Deno.test("pieces have right lengths, ids, sequence numbers, flags and header checksums", () => {
  fc.assert(fc.property(supers, (o) => {
    if (o.payload.length <= o.size || Math.ceil(o.payload.length / o.size) > 128) return;
    const whole = superPacket(o);
    const pieces = cut(whole);
    const { transport, payload } = whole.made;
    let from = 0;
    for (const [i, piece] of pieces.entries()) {
      const view = new DataView(piece.buffer);
      const isLast = i === pieces.length - 1;
      if (o.version === 4) {
        assert.equal(view.getUint16(2), piece.length);
        assert.equal(view.getUint16(4), (o.id + i) & 0xffff);
        const copy = piece.slice();
        writeHeaderChecksum(copy, 0);
        assert.deepEqual(copy, piece);
      } else assert.equal(view.getUint16(4), piece.length - 40);
      if (o.protocol === "tcp") {
        assert.equal(view.getUint32(transport + 4), (o.sequence + from) >>> 0);
        assert.equal(piece[transport + 13], isLast ? o.flags : o.flags & ~0x09);
      } else assert.equal(view.getUint16(transport + 4), piece.length - transport);
      const size = piece.length - payload;
      assert(isLast ? size <= o.size : size === o.size);
      assert.deepEqual(piece.subarray(payload), o.payload.subarray(from, from + size));
      from += size;
    }
    assert.equal(from, o.payload.length);
  }));
});

Deno.test("one piece alone is left open, and its checksum completed is right", () => {
  fc.assert(fc.property(supers, (o) => {
    const whole = superPacket(o);
    const [alone] = join([whole.packet]);
    const right = whole.packet.slice();
    writeU16(right, whole.made.transport + whole.made.checksum, 0);
    writeU16(right, whole.made.transport + whole.made.checksum, checksumOf(whole.made));
    assert.deepEqual(completed(alone!), right);
  }));
});

/** Bytes of a TCP flow, of all packets behind each other. */
function bytesOf(parcels: readonly Parcel[]): Uint8Array {
  return concat(...parcels.map(({ packet }) => {
    const transport = packet[0]! >>> 4 === 4 ? 20 : 40;
    return packet.subarray(transport + (packet[transport + 12]! >>> 4) * 4);
  }));
}

function piecesOf(o: Partial<Super> = {}): Uint8Array[] {
  const payload = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
  return cut(superPacket({
    ...{ version: 4, protocol: "tcp", payload, size: 1000, options: 3, sequence: 4_294_967_000 },
    ...{ id: 65_533, flags: 0x18 },
    ...o,
  }));
}

Deno.test("whatever differs between two segments keeps them apart", () => {
  for (const version of [4, 6] as const) {
    const pieces = piecesOf({ version });
    const transport = version === 4 ? 20 : 40;
    const fields = version === 4
      ? { tos: 1, id: 5, ttl: 8, source: 15, target: 19 }
      : { flow: 3, hops: 7, source: 20, target: 39 };
    const own = { port: 1, sequence: 7, ack: 11, window: 15, urgent: 19, option: 21, flags: 13 };
    const places = [
      ...Object.entries(fields),
      ...Object.entries(own).map(([name, at]) => [name, transport + at] as const),
    ];
    for (const [name, at] of places) {
      const changed = pieces.map((piece) => piece.slice());
      changed[2]![at] = changed[2]![at]! ^ 0x20;
      const joined = join(changed);
      assert(joined.length > 1, name);
      assert.deepEqual(bytesOf(joined).length, 5000, name);
      assert(joined.length <= 3, `${name}: ${joined.length}`);
    }
  }
});

Deno.test("lost, doubled and overtaken segments of several flows come out in their order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(19), fc.nat(4)), { maxLength: 120 }),
      fc.constantFrom(0, Offload.tcp, ALL),
      (order, offload) => {
        const pieces = order.map(([flow, i]) => {
          const piece = piecesOf({ version: flow % 2 === 0 ? 4 : 6 })[i]!;
          const transport = flow % 2 === 0 ? 20 : 40;
          writeU16(piece, transport, 1000 + flow);
          return piece;
        });
        const joined = join(pieces, offload);
        if (offload === 0) assert.equal(joined.length, pieces.length);
        for (let flow = 0; flow < 20; flow++) {
          const isOf = (packet: Uint8Array) => {
            const transport = packet[0]! >>> 4 === 4 ? 20 : 40;
            return new DataView(packet.buffer).getUint16(transport) === 1000 + flow;
          };
          const sent = pieces.filter(isOf).map((packet) => ({ packet, header: null }));
          const came = joined.filter(({ packet }) => isOf(packet));
          assert.deepEqual(bytesOf(came), bytesOf(sent));
        }
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("an acknowledgement stays behind the data that it came after, and closes nothing else", () => {
  const [one, two, three] = piecesOf();
  const ack = two!.slice(0, 20 + 32);
  writeU16(ack, 2, ack.length);
  const joined = join([one!, two!, ack, three!]);
  assert.deepEqual(joined.map(({ packet }) => packet.length), [2052, 52, 1052]);
});

Deno.test("what is no TCP or UDP, a fragment, or has other lengths than it says is refused", () => {
  const whole = piecesOf()[0]!;
  const joiner = new Joiner(ALL);
  const changes: [number, number][] = [[0, 0x55], [0, 0x41], [2, 1], [6, 0x20], [7, 1], [9, 1], [
    32,
    0,
  ]];
  for (const [at, value] of changes) {
    const wrong = whole.slice();
    wrong[at] = value;
    assert.equal(joiner.add(wrong, 0, wrong.length, true), false, `${at}`);
  }
  for (let size = 0; size < 40; size++) {
    const short = whole.slice(0, size);
    if (size >= 4) writeU16(short, 2, size);
    assert.equal(joiner.add(short, 0, size, true), false, `${size}`);
  }
  assert(joiner.isEmpty);
});

Deno.test("any bytes are taken or refused, and what is given the kernel may have", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.uint8Array({ maxLength: 120 }), fc.constantFrom(0x45, 0x46, 0x60))),
    (packets) => {
      const taken = packets.map(([bytes, first]) => {
        if (bytes.length > 10) bytes.set([first, 0, 0, bytes.length], 0);
        if (bytes.length > 10) bytes[9] = first === 0x60 ? bytes[9]! : 6;
        return bytes;
      }).filter((bytes) => new Joiner(ALL).add(bytes, 0, bytes.length, true));
      join(taken);
    },
  ));
});

Deno.test("as many packets as a batch holds, however long, and the rest is told to wait", () => {
  const joiner = new Joiner(ALL);
  const long = new Uint8Array(65_535);
  long[0] = 0x45;
  let count = 0;
  while (!joiner.isFull) assert(joiner.add(long, 0, long.length, false), `${count++}`);
  assert.equal(joiner.add(long, 0, long.length, false), false);
  assert(joiner.give(makePackets(0)) >= 16);
  assert(!joiner.isFull && joiner.isEmpty);
  for (let i = 0; i < 128; i++) assert(joiner.add(long, 0, 40, false));
  assert(joiner.isFull);
  assert.equal(joiner.give(makePackets(0)), 128);
});
