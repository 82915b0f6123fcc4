import type { PacketLayout, Packets } from "../../src/contract/batch.ts";

/** Layouts as links have them, and one like none: all its numbers differ, and its groups are small. */
export const LAYOUTS: Record<string, PacketLayout> = {
  "version 1": { groupHeadroom: 8, headroom: 2, tailroom: 16, groupTailroom: 0, group: Infinity },
  "version 2": { groupHeadroom: 5, headroom: 12, tailroom: 0, groupTailroom: 16, group: 16 * 1024 },
  "version 2 with offload": {
    groupHeadroom: 5,
    headroom: 16,
    tailroom: 0,
    groupTailroom: 16,
    group: 16 * 1024,
  },
  odd: { groupHeadroom: 3, headroom: 11, tailroom: 5, groupTailroom: 7, group: 900 },
};

/** Where packets of these lengths lie, as contract/batch.ts says it. */
export function offsetsIn(
  { groupHeadroom, headroom, tailroom, groupTailroom, group }: PacketLayout,
  lengths: number[],
) {
  const offsets: number[] = [];
  let at = 0;
  while (offsets.length < lengths.length) {
    at += groupHeadroom;
    const from = at;
    do {
      at += headroom;
      offsets.push(at);
      at += lengths[offsets.length - 1]! + tailroom;
    } while (offsets.length < lengths.length && at - from < group);
    at += groupTailroom;
  }
  return offsets;
}

/** Fills a batch as a device does: with these packets, laid out for that room. */
export function fill(
  batch: Packets,
  layout: PacketLayout,
  packets: readonly Uint8Array[],
): Packets {
  const offsets = offsetsIn(layout, packets.map(({ length }) => length));
  batch.count = packets.length;
  for (const [i, packet] of packets.entries()) {
    batch.offset[i] = offsets[i]!;
    batch.length[i] = packet.length;
    batch.hasHeader[i] = 0;
    batch.bytes.set(packet, offsets[i]!);
  }
  return batch;
}

/** The packets of a batch, as copies. */
export function copiesOf({ bytes, count, offset, length }: Packets): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => bytes.slice(offset[i], offset[i]! + length[i]!));
}
