import { MAX_PACKET, MAX_SUPER_PACKET, type Packets } from "../../contract/batch.ts";
import type { Device } from "../../contract/device.ts";
import type { Clock } from "../../contract/host.ts";
import { clampMss, isIpPacket } from "../../core/ip/header.ts";
import {
  acceptHeader,
  completeChecksum,
  gsoNeeds,
  needsChecksum,
} from "../../core/ip/virtio_net.ts";
import type { PacketCounters, Traffic } from "./counters.ts";
import { TooBig } from "./too_big.ts";

export interface FilterOptions {
  readonly device: Device;
  readonly clock: Clock;
  readonly counters: PacketCounters;
  readonly mssClamp: boolean;
  /** Longest packet, in bytes, that a link of any wire version carries in one frame. */
  readonly longest: number;
}

export class PacketFilter {
  readonly #o: FilterOptions;
  readonly #tooBig: TooBig;

  constructor(o: FilterOptions) {
    this.#o = o;
    this.#tooBig = new TooBig(o.device, o.clock, o.longest);
  }

  /** Keeps and counts the packets that a peer with that offload accepts. */
  keepForPeer(packets: Packets, offload: number, traffic: Traffic): void {
    const { counters } = this.#o;
    this.#keep(packets, offload, true);
    const bytes = bytesIn(packets);
    counters.sentPackets += packets.count;
    counters.sentBytes += bytes;
    traffic.sentBytes += bytes;
  }

  /** Keeps and counts a peer's packets that the kernel may receive. */
  keepForDevice(packets: Packets, offload: number, traffic: Traffic): void {
    const { counters } = this.#o;
    this.#keep(packets, offload, false);
    const bytes = bytesIn(packets);
    counters.receivedPackets += packets.count;
    counters.receivedBytes += bytes;
    traffic.receivedBytes += bytes;
  }

  /**
   * Removes what is not IP or has an invalid or unsupported virtio_net_hdr, completing checksums
   * first. Clamps the MSS of the others if configured.
   */
  #keep(packets: Packets, offload: number, toPeer: boolean): void {
    const { counters, mssClamp, device } = this.#o;
    const { bytes, offset, length, hasHeader } = packets;
    // With offload a packet may be split over several frames, so any length is allowed.
    const longest = offload === 0 ? this.#o.longest : MAX_PACKET;
    let kept = 0;
    for (let i = 0; i < packets.count; i++) {
      const at = offset[i]!;
      const size = length[i]!;
      const mayBeSuper = hasHeader[i] !== 0 && (offload !== 0 || gsoNeeds(bytes, at) !== 0);
      const fits = size <= (mayBeSuper ? MAX_SUPER_PACKET : longest);
      if (!fits || !isIpPacket(bytes, at, size)) {
        counters.droppedUnfit++;
        if (!fits && toPeer) this.#tooBig.answer(bytes, at, size);
        continue;
      }
      if (
        hasHeader[i] !== 0 &&
        !(toPeer ? this.#suits(packets, i, offload) : this.#isSound(packets, i))
      ) continue;
      if (mssClamp) {
        const isOpen = hasHeader[i] !== 0 && needsChecksum(bytes, at);
        clampMss(bytes, at, size, device.mtu, isOpen);
      }
      offset[kept] = at;
      length[kept] = size;
      hasHeader[kept] = hasHeader[i]!;
      kept++;
    }
    packets.count = kept;
  }

  /** True if the peer accepts the packet, whose checksum is completed here if needed. */
  #suits({ bytes, offset, length, hasHeader }: Packets, i: number, offload: number): boolean {
    const { counters } = this.#o;
    const at = offset[i]!;
    if ((gsoNeeds(bytes, at) & ~offload) !== 0) {
      counters.droppedSuper++;
      return false;
    }
    if (offload !== 0) return true;
    hasHeader[i] = 0;
    if (completeChecksum(bytes, at, length[i]!)) return true;
    counters.droppedUnfit++;
    return false;
  }

  /** True if the header of a peer's packet is valid for the kernel. */
  #isSound({ bytes, offset, length }: Packets, i: number): boolean {
    const { counters, device } = this.#o;
    if (acceptHeader(bytes, offset[i]!, length[i]!, device.takes)) return true;
    counters.droppedUnfit++;
    return false;
  }
}

function bytesIn({ count, length }: Packets): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += length[i]!;
  return sum;
}
