import { makePackets, VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import type { Device } from "../../contract/device.ts";
import type { Clock } from "../../contract/host.ts";
import { isIpPacket } from "../../core/ip/header.ts";
import { packetTooBig } from "../../core/ip/icmp.ts";

/** Milliseconds between two ICMP errors (RFC 4443, 2.4 f). */
const INTERVAL = 10;

/** Sends ICMP Packet Too Big to the device's network, rate-limited. */
export class TooBig {
  readonly #device: Device;
  readonly #clock: Clock;
  readonly #longest: number;
  #sentAt = -Infinity;

  /** `longest`: the MTU that it tells, in bytes. */
  constructor(device: Device, clock: Clock, longest: number) {
    this.#device = device;
    this.#clock = clock;
    this.#longest = longest;
  }

  answer(bytes: Uint8Array, at: number, length: number): void {
    const now = this.#clock.now();
    if (now - this.#sentAt < INTERVAL || !isIpPacket(bytes, at, length)) return;
    const answer = packetTooBig(bytes, at, length, this.#longest);
    if (answer === null) return;
    this.#sentAt = now;
    const batch = makePackets(VIRTIO_NET_HEADER + answer.length);
    batch.bytes.set(answer, VIRTIO_NET_HEADER);
    batch.offset[0] = VIRTIO_NET_HEADER;
    batch.length[0] = answer.length;
    batch.count = 1;
    const writing = this.#device.writeBatch(batch);
    // A lost device is reported by its reader.
    if (writing instanceof Promise) writing.catch(() => {});
  }
}
