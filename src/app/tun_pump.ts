import { TtunError } from "../base/errors.ts";
import {
  BATCH_PACKETS,
  makePackets,
  MAX_PACKET,
  MAX_SUPER_PACKET,
  VIRTIO_NET_HEADER,
} from "../base/packets.ts";
import { onAbort } from "../base/scope.ts";
import type { Clock } from "../contract/host.ts";
import type { Device, Link, Packets, Room } from "../contract/packet.ts";
import { Outbox } from "./outbox.ts";
import { packetTooBig } from "../core/icmp.ts";
import { clampMss, isIpPacket } from "../core/ip.ts";
import { acceptHeader, completeChecksum, gsoNeeds, needsChecksum } from "../core/virtio_net.ts";

/**
 * Room for a full batch of usual packets, and for one of the largest behind them.
 */
const ARENA = 4 * MAX_PACKET;

/** After so many packets without a wait the others have a turn: one flood must not starve the rest. */
const BUDGET = 2 * BATCH_PACKETS;

/** Errors are answered at most so often, in milliseconds (RFC 4443, 2.4 f). */
const ANSWER_PAUSE = 10;

/** What went through, since the beginning. */
export interface PumpCounters {
  /** From the device to the peer. */
  sentPackets: number;
  sentBytes: number;
  /** From the peer to the device. */
  receivedPackets: number;
  receivedBytes: number;
  /** Read from the device while no peer was there. */
  droppedWithoutPeer: number;
  /** No IP packet, too long for the link, or with a wrong header; either way round. */
  droppedUnfit: number;
  /** Super-packets that were queued from before a peer came that does not take them. */
  droppedSuper: number;
  /** Thrown away because they had waited too long for a slow link: noted when a session ends. */
  droppedLate: number;
}

/** A link that takes the device's packets, and how they get to it. */
interface Attached {
  readonly link: Link;
  readonly outbox: Outbox;
}

/**
 * Carries packets between a device that stays and links that come and go. The device is read all
 * the time; what is read without a peer is dropped, as a network does.
 */
export class TunPump {
  readonly device: Device;
  readonly counters: PumpCounters = {
    sentPackets: 0,
    sentBytes: 0,
    receivedPackets: 0,
    receivedBytes: 0,
    droppedWithoutPeer: 0,
    droppedUnfit: 0,
    droppedSuper: 0,
    droppedLate: 0,
  };
  readonly #clock: Clock;
  readonly #mssClamp: boolean;
  /** Longest packet that a link of any wire version carries. */
  readonly #longest: number;
  #attached: Attached | null = null;
  #answeredAt = -Infinity;
  /** How packets are to lie for the link that is attached; the device looks here when it reads. */
  readonly #room: Room;

  constructor(device: Device, clock: Clock, o: { mssClamp: boolean; longest: number }) {
    this.device = device;
    this.#clock = clock;
    this.#mssClamp = o.mssClamp;
    this.#longest = o.longest;
    // Without a link: packets lie as no link wants them, so that `liesAs` can tell.
    const { headroom } = device;
    this.#room = { lead: 1, headroom, tailroom: 0, trail: 0, group: Infinity };
  }

  /**
   * Reads the device until the signal aborts: that closes the device, for a read that waits would
   * not end otherwise. @throws {TtunError} when the device is lost
   */
  async run(signal: AbortSignal): Promise<never> {
    using _tie = onAbort(signal, () => void this.device[Symbol.asyncDispose]());
    let packets = makePackets(ARENA);
    let spent = 0;
    for (;;) {
      const reading = this.device.readBatch(packets, this.#room);
      if (reading instanceof Promise) {
        await reading;
        spent = 0;
      }
      const to = this.#attached;
      if (to === null || !liesAs(packets, to.link.room)) {
        this.counters.droppedWithoutPeer += packets.count;
      } else {
        this.#prepare(packets, to.link.offload);
        if (packets.count > 0) {
          const next = to.outbox.offer(packets);
          if (next instanceof Promise) spent = 0;
          packets = next instanceof Promise ? await next : next;
        }
      }
      spent += packets.count;
      if (spent >= BUDGET) {
        spent = 0;
        await this.#clock.turn();
      }
    }
  }

  /** Leaves in the batch what the peer takes, and counts it. */
  #prepare(packets: Packets, offload: number): void {
    this.#keepFit(
      packets,
      this.#longestFor(offload),
      (i) => this.#suits(packets, i, offload),
      true,
    );
    this.counters.sentPackets += packets.count;
    for (let i = 0; i < packets.count; i++) this.counters.sentBytes += packets.length[i]!;
  }

  /**
   * Carries packets for one link until the peer ends it. What the device queued before is dropped:
   * nobody wants the packets of the last outage now.
   * @throws what broke the link, or what broke the device
   */
  async session(link: Link): Promise<void> {
    if (this.#attached !== null) {
      throw new TtunError("internal", "Cannot carry packets for two links at once");
    }
    // In this order: of what is made under the old mask the least is left.
    this.device.setOffload(link.offload & this.device.takes);
    this.counters.droppedWithoutPeer += this.device.drain();
    Object.assign(this.#room, link.room);
    let failure: { error: unknown } | null = null;
    const outbox = new Outbox(link, {
      clock: this.#clock,
      spare: makePackets(ARENA),
      onFailure: (error) => {
        failure = { error };
        void link[Symbol.asyncDispose](); // this session waits in recv: it ends by that
      },
    });
    this.#attached = { link, outbox };
    try {
      await this.#receive(link);
    } catch (error) {
      throw (failure as { error: unknown } | null)?.error ?? error;
    } finally {
      this.#attached = null;
      this.counters.droppedLate += outbox.droppedLate;
    }
  }

  async #receive(link: Link): Promise<void> {
    const packets = makePackets(0); // the link lends its own buffer
    const longest = this.#longestFor(link.offload);
    let spent = 0;
    for (;;) {
      const receiving = link.recv(packets);
      const count = receiving instanceof Promise ? await receiving : receiving;
      if (receiving instanceof Promise) spent = 0;
      if (count === 0) return;
      this.#keepFit(packets, longest, (i) => this.#isSound(packets, i));
      this.counters.receivedPackets += packets.count;
      for (let i = 0; i < packets.count; i++) this.counters.receivedBytes += packets.length[i]!;
      const writing = this.device.writeBatch(packets);
      if (writing instanceof Promise) await writing;
      spent += count;
      if (spent >= BUDGET) {
        spent = 0;
        await this.#clock.turn();
      }
    }
  }

  /**
   * Takes out of the batch what is no IP packet, and of those with a header what `check` says no to
   * (which may do what the header asks for). Clamps the MSS in the others if so asked.
   */
  #keepFit(
    packets: Packets,
    longest: number,
    check: (i: number) => boolean,
    answers = false,
  ): void {
    const { bytes, offset, length, header } = packets;
    let kept = 0;
    for (let i = 0; i < packets.count; i++) {
      const at = offset[i]!;
      const size = length[i]!;
      const fits = size <= (header[i] === 0 ? longest : MAX_SUPER_PACKET);
      if (!fits || !isIpPacket(bytes, at, size)) {
        this.counters.droppedUnfit++;
        if (!fits && answers) this.#answerTooBig(bytes, at, size);
        continue;
      }
      if (header[i] !== 0 && !check(i)) continue;
      if (this.#mssClamp) {
        const isOpen = header[i] !== 0 && needsChecksum(bytes, at);
        clampMss(bytes, at, size, this.device.mtu, isOpen);
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
    const at = offset[i]!;
    const needs = gsoNeeds(bytes, at);
    if ((needs & ~offload) !== 0) {
      this.counters.droppedSuper++;
      return false;
    }
    if (offload !== 0) return true;
    header[i] = 0;
    if (completeChecksum(bytes, at, length[i]!)) return true;
    this.counters.droppedUnfit++;
    return false;
  }

  /** Super-packets may go in pieces: then a packet may be as long as any can be. */
  #longestFor(offload: number): number {
    return offload === 0 ? this.#longest : MAX_PACKET;
  }

  /** Tells the sender of a packet that no link carries what does fit; not too often. */
  #answerTooBig(bytes: Uint8Array, at: number, length: number): void {
    const now = this.#clock.now();
    if (now - this.#answeredAt < ANSWER_PAUSE || !isIpPacket(bytes, at, length)) return;
    const answer = packetTooBig(bytes, at, length, this.#longest);
    if (answer === null) return;
    this.#answeredAt = now;
    const batch = makePackets(VIRTIO_NET_HEADER + answer.length);
    batch.bytes.set(answer, VIRTIO_NET_HEADER);
    batch.offset[0] = VIRTIO_NET_HEADER;
    batch.length[0] = answer.length;
    batch.count = 1;
    const writing = this.device.writeBatch(batch);
    if (writing instanceof Promise) writing.catch(() => {}); // a lost device shows where it is read
  }

  /** Whether a packet of the peer's has a header that the kernel may see. */
  #isSound({ bytes, offset, length }: Packets, i: number): boolean {
    if (acceptHeader(bytes, offset[i]!, length[i]!, this.device.takes)) return true;
    this.counters.droppedUnfit++;
    return false;
  }
}

/** Whether the batch was read for such a link, and not for one that has just gone. */
function liesAs(packets: Packets, room: Room): boolean {
  return packets.count === 0 || packets.offset[0] === room.lead + room.headroom;
}
