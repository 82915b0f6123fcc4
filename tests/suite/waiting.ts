/** Reads that wait, made of the contracts' parts: what tests want, and drivers do without. */
import type { Device } from "../../src/contract/device.ts";
import { type Link, NO_PACKET } from "../../src/contract/link.ts";
import type { PacketLayout, Packets } from "../../src/contract/batch.ts";

/** At least one packet. */
export async function readBatch(
  device: Device,
  into: Packets,
  layout: PacketLayout,
): Promise<number> {
  for (;;) {
    const count = device.readNow(into, layout);
    if (count > 0) return count;
    await new Promise<void>((resolve) => device.onReadable(resolve));
  }
}

/** At least one packet, or 0 at the end of the link. */
export async function receive(link: Link, into: Packets): Promise<number> {
  for (;;) {
    const count = link.recvNow(into);
    if (count === NO_PACKET) continue;
    if (count !== undefined) return count;
    await new Promise<void>((resolve) => link.onReceivable(resolve));
  }
}
