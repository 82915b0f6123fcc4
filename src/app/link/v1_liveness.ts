import { makePackets } from "../../base/packets.ts";
import { unseenPacket } from "../../core/ip/header.ts";
import type { SlotHolder } from "./exclusive_slot.ts";
import type { V1Link } from "./v1_link.ts";

/**
 * Life signs of a version 1 peer, which cannot be asked: what arrives from it, and what its kernel
 * acknowledges of what we sent. A packet that no host looks at makes sure that there is something.
 */
export class V1Life implements Pick<SlotHolder, "activity" | "probe" | "isGone"> {
  readonly #link: V1Link;
  readonly #probe = makePackets(256);

  constructor(link: V1Link) {
    this.#link = link;
  }

  activity(): number {
    const { acked = 0, received = 0 } = this.#link.stream.info();
    return acked + received;
  }

  probe(): void {
    if (this.#link.isWriting) return; // unacknowledged bytes are under way already
    const packet = unseenPacket();
    const at = this.#link.room.header + this.#link.room.headroom;
    this.#probe.bytes.set(packet, at);
    this.#probe.offset[0] = at;
    this.#probe.length[0] = packet.length;
    this.#probe.count = 1;
    try {
      const sending = this.#link.send(this.#probe);
      // A link that cannot be written to shows no life: the asking ends as it should.
      if (sending instanceof Promise) sending.catch(() => {});
    } catch {
      // As above: silence is the answer.
    }
  }

  isGone(): boolean {
    return this.#link.stream.info().peerClosed === true;
  }
}
