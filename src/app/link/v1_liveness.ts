import { makePackets } from "../../contract/batch.ts";
import { unseenPacket } from "../../core/ip/header.ts";
import type { SlotHolder } from "./exclusive_slot.ts";
import type { V1Link } from "./v1_link.ts";

/**
 * A version 1 peer cannot be pinged: counts the bytes that arrive and those that its kernel
 * acknowledges. The probe is a packet that no host processes, but a kernel acknowledges.
 */
export class V1Life implements Pick<SlotHolder, "activity" | "probe" | "isGone"> {
  readonly #link: V1Link;
  readonly #probe = makePackets(256);

  constructor(link: V1Link) {
    this.#link = link;
  }

  activity(): number {
    const { acked = 0, received = 0 } = this.#link.stream.stats();
    return acked + received;
  }

  probe(): void {
    if (this.#link.isWriting) return; // unacknowledged bytes are in flight already
    const packet = unseenPacket();
    const at = this.#link.layout.groupHeadroom + this.#link.layout.headroom;
    this.#probe.bytes.set(packet, at);
    this.#probe.offset[0] = at;
    this.#probe.length[0] = packet.length;
    this.#probe.count = 1;
    try {
      const sending = this.#link.send(this.#probe);
      // A link that cannot be written to shows no activity, and the check fails as it should.
      if (sending instanceof Promise) sending.catch(() => {});
    } catch {
      // No activity follows here either.
    }
  }

  isGone(): boolean {
    return this.#link.stream.stats().peerClosed === true;
  }
}
