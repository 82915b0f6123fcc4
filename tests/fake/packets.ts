import { toHex } from "../../src/base/bytes.ts";
import { makePackets, type Packets } from "../../src/contract/batch.ts";

/** A batch of these packets: each `gap` bytes behind the one before, the first at `gap`. */
export function batchOf(packets: Uint8Array[], gap: number): Packets {
  const batch = makePackets(gap + packets.reduce((sum, p) => sum + p.length + gap, 0));
  let at = gap;
  for (const [i, packet] of packets.entries()) {
    batch.bytes.set(packet, at);
    batch.offset[i] = at;
    batch.length[i] = packet.length;
    at += packet.length + gap;
  }
  batch.count = packets.length;
  return batch;
}

/** The packets of a batch, in hex. */
export function packetsIn(batch: Packets): string[] {
  return Array.from(
    { length: batch.count },
    (_, i) => toHex(batch.bytes.subarray(batch.offset[i]!, batch.offset[i]! + batch.length[i]!)),
  );
}
