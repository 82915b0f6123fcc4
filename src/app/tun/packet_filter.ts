import {
  makePackets,
  MAX_PACKET,
  MAX_SUPER_PACKET,
  VIRTIO_NET_HEADER,
} from "../../base/packets.ts";
import type { Clock } from "../../contract/host.ts";
import type { Device, Packets } from "../../contract/packet.ts";
import { packetTooBig } from "../../core/ip/icmp.ts";
import { clampMss, isIpPacket } from "../../core/ip/header.ts";
import {
  acceptHeader,
  completeChecksum,
  gsoNeeds,
  needsChecksum,
} from "../../core/ip/virtio_net.ts";
import type { PacketCounters, Traffic } from "./packet_service.ts";

/** Errors are answered at most so often, in milliseconds (RFC 4443, 2.4 f). */
const ANSWER_PAUSE = 10;

export interface FilterOptions {
  readonly device: Device;
  readonly clock: Clock;
  readonly counters: PacketCounters;
  readonly mssClamp: boolean;
  /** Longest packet that a link of any wire version carries in one frame. */
  readonly longest: number;
}

/** What may pass between a device and its links, and in what shape. */
export class PacketFilter {
  readonly #o: FilterOptions;
  #answeredAt = -Infinity;

  constructor(o: FilterOptions) {
    this.#o = o;
  }

  /** Leaves in a batch of the device's what a peer with that offload takes, and counts it. */
  keepForPeer(packets: Packets, offload: number, traffic: Traffic): void {
    const { counters } = this.#o;
    this.#keep(packets, offload, true);
    const bytes = bytesIn(packets);
    counters.sentPackets += packets.count;
    counters.sentBytes += bytes;
    traffic.sentBytes += bytes;
  }

  /** Leaves in a batch of a peer's what the kernel may see, and counts it. */
  keepForDevice(packets: Packets, offload: number, traffic: Traffic): void {
    const { counters } = this.#o;
    this.#keep(packets, offload, false);
    const bytes = bytesIn(packets);
    counters.receivedPackets += packets.count;
    counters.receivedBytes += bytes;
    traffic.receivedBytes += bytes;
  }

  /**
   * Takes out of the batch what is no IP packet, and of those with a header what does not suit the
   * peer (after what the header asks for has been done here), or is not sound. Clamps the MSS in the
   * others if so asked.
   */
  #keep(packets: Packets, offload: number, toPeer: boolean): void {
    const { counters, mssClamp, device } = this.#o;
    const { bytes, offset, length, header } = packets;
    // With offload a packet may go in pieces: then it may be as long as any can be.
    const longest = offload === 0 ? this.#o.longest : MAX_PACKET;
    let kept = 0;
    for (let i = 0; i < packets.count; i++) {
      const at = offset[i]!;
      const size = length[i]!;
      const mayBeSuper = header[i] !== 0 && (offload !== 0 || gsoNeeds(bytes, at) !== 0);
      const fits = size <= (mayBeSuper ? MAX_SUPER_PACKET : longest);
      if (!fits || !isIpPacket(bytes, at, size)) {
        counters.droppedUnfit++;
        if (!fits && toPeer) this.#answerTooBig(bytes, at, size);
        continue;
      }
      if (
        header[i] !== 0 &&
        !(toPeer ? this.#suits(packets, i, offload) : this.#isSound(packets, i))
      ) continue;
      if (mssClamp) {
        const isOpen = header[i] !== 0 && needsChecksum(bytes, at);
        clampMss(bytes, at, size, device.mtu, isOpen);
      }
      offset[kept] = at;
      length[kept] = size;
      header[kept] = header[i]!;
      kept++;
    }
    packets.count = kept;
  }

  /** Whether the peer takes such a packet, if need be after its checksum has been completed here. */
  #suits({ bytes, offset, length, header }: Packets, i: number, offload: number): boolean {
    const { counters } = this.#o;
    const at = offset[i]!;
    if ((gsoNeeds(bytes, at) & ~offload) !== 0) {
      counters.droppedSuper++;
      return false;
    }
    if (offload !== 0) return true;
    header[i] = 0;
    if (completeChecksum(bytes, at, length[i]!)) return true;
    counters.droppedUnfit++;
    return false;
  }

  /** Whether a packet of the peer's has a header that the kernel may see. */
  #isSound({ bytes, offset, length }: Packets, i: number): boolean {
    const { counters, device } = this.#o;
    if (acceptHeader(bytes, offset[i]!, length[i]!, device.takes)) return true;
    counters.droppedUnfit++;
    return false;
  }

  /** Tells the sender of a packet that no link carries what does fit; not too often. */
  #answerTooBig(bytes: Uint8Array, at: number, length: number): void {
    const { clock, device, longest } = this.#o;
    const now = clock.now();
    if (now - this.#answeredAt < ANSWER_PAUSE || !isIpPacket(bytes, at, length)) return;
    const answer = packetTooBig(bytes, at, length, longest);
    if (answer === null) return;
    this.#answeredAt = now;
    const batch = makePackets(VIRTIO_NET_HEADER + answer.length);
    batch.bytes.set(answer, VIRTIO_NET_HEADER);
    batch.offset[0] = VIRTIO_NET_HEADER;
    batch.length[0] = answer.length;
    batch.count = 1;
    const writing = device.writeBatch(batch);
    if (writing instanceof Promise) writing.catch(() => {}); // a lost device shows where it is read
  }
}

function bytesIn({ count, length }: Packets): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += length[i]!;
  return sum;
}
