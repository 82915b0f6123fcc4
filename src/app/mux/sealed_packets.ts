import { Reader } from "../../base/varint.ts";
import type { PacketWay } from "../../contract/packet_way.ts";
import { PACKET_OVERHEAD, type PacketKeys } from "../../core/link/v2/packet.ts";
import type { LossyWay } from "../../core/mux/mux.ts";

/** Frames of one carrier that may get lost, each as a packet beside its records. */
export class SealedPackets implements LossyWay, Disposable {
  readonly #way: PacketWay;
  readonly #keys: PacketKeys;
  #isOver = false;

  /** Owns the keys. `take` gets frames that have come; what it throws drops the packet. */
  constructor(way: PacketWay, keys: PacketKeys, take: (frames: Reader) => void) {
    this.#way = way;
    this.#keys = keys;
    way.onPacket((packet) => {
      const text = this.#isOver ? null : keys.opener.open(packet);
      if (text === null) return;
      try {
        take(new Reader(text));
      } catch {
        // Nothing of it was taken, as of a packet that got lost.
      }
    });
  }

  get mostBytes(): number {
    return this.#isOver || this.#keys.sealer.isUsedUp ? 0 : this.#way.mostBytes - PACKET_OVERHEAD;
  }

  send(frame: Uint8Array): boolean {
    return this.#way.send(this.#keys.sealer.seal(frame));
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#keys[Symbol.dispose]();
  }
}
