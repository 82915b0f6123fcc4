import { readU16, readU32, writeU16, writeU32 } from "../../src/base/bytes.ts";

/** Bytes of a UDP packet in IPv4 before what it carries, and of the mark that it carries at least. */
const HEADERS = 28;
export const SMALLEST = HEADERS + 4;

/** A UDP packet of a flow (its source port), told apart by `mark`; its bytes follow from both. */
export function flowPacket(flow: number, mark: number, size: number = SMALLEST): Uint8Array {
  const packet = new Uint8Array(size);
  packet[0] = 0x45;
  writeU16(packet, 2, size);
  packet[9] = 17;
  packet.set([10, 8, 0, 2, 10, 8, 0, 1], 12);
  writeU16(packet, 20, flow);
  writeU16(packet, 22, 443);
  writeU16(packet, 24, size - 20);
  writeU32(packet, HEADERS, mark);
  for (let i = SMALLEST; i < size; i++) packet[i] = mark * 31 + i;
  return packet;
}

/** The number that `flowPacket` was given. */
export function flowOfPacket(packet: Uint8Array): number {
  return readU16(packet, 20);
}

export function markOf(packet: Uint8Array): number {
  return readU32(packet, HEADERS);
}

/** The marks of each flow's packets, in their order. */
export function marksByFlow(packets: Iterable<Uint8Array>): Map<number, number[]> {
  const marks = new Map<number, number[]>();
  for (const packet of packets) {
    const flow = flowOfPacket(packet);
    marks.set(flow, [...marks.get(flow) ?? [], markOf(packet)]);
  }
  return marks;
}
