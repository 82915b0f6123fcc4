import { writeVarint } from "../../../base/varint.ts";
import { Offload, type Packets } from "../../../contract/batch.ts";
import { TAG_SIZE } from "../../../contract/cipher.ts";
import { Segments } from "../../ip/segmentation.ts";
import {
  acceptHeader,
  completeChecksum,
  gsoNeeds,
  isInnermost,
  needsChecksum,
} from "../../ip/virtio_net.ts";
import { FrameType } from "../v2/frames.ts";
import type { UdpCarrier } from "./carrier.ts";
import { DATAGRAM_OVERHEAD, HEAD_SIZE } from "./head.ts";

/** Bytes of datagrams that are sealed before they are sent, and datagrams of one call. */
const ARENA = 64 * 1024;
const MOST_DATAGRAMS = 64;

/** A packet up to this size goes with others in one datagram, its checksum computed here. */
const SMALL = 256;

/** Bytes before a packet that shares a datagram: type, and length in two bytes. */
const SHARED_HEADER = 3;

/** Sends sealed datagrams, which are lent for the call: each of `segment` bytes, the last perhaps less. */
export type SendDatagrams = (datagrams: Uint8Array, segment: number) => void;

/** Makes datagrams of packets: a super-packet is cut, and small packets share one. */
export class PacketWriter {
  readonly #arena = new Uint8Array(ARENA);
  readonly #segments = new Segments();
  readonly #offload: number;
  /** Bytes of a datagram. */
  readonly #most: number;
  #send: SendDatagrams = () => {};
  #carrier: UdpCarrier | null = null;
  #now = 0;
  /** Of the sealed datagrams: their bytes, the size of each, their number. */
  #end = 0;
  #segment = 0;
  #count = 0;
  /** The end of a text that is not sealed yet; 0 = there is none. */
  #textEnd = 0;

  /** `offload`: of both ends. `mostBytes`: of a datagram. */
  constructor(o: { offload: number; mostBytes: number }) {
    this.#offload = o.offload;
    this.#most = o.mostBytes;
  }

  /** Bytes of the longest packet that fits. */
  get longest(): number {
    return this.#most - DATAGRAM_OVERHEAD - 1;
  }

  /** Seals all packets for that connection; returns how many were too long, or wrong, and are left out. */
  write(packets: Packets, carrier: UdpCarrier, now: number, send: SendDatagrams): number {
    this.#send = send;
    this.#carrier = carrier;
    this.#now = now;
    let left = 0;
    for (let i = 0; i < packets.count; i++) if (!this.#writePacket(packets, i)) left++;
    this.#seal();
    this.#flush();
    this.#carrier = null;
    return left;
  }

  #writePacket({ bytes, offset, length, hasHeader }: Packets, i: number): boolean {
    const at = offset[i]!;
    const size = length[i]!;
    if (hasHeader[i] === 0) return this.#put(bytes, at, size, false);
    if (gsoNeeds(bytes, at) !== 0) return this.#cut(bytes, at, size);
    if (!needsChecksum(bytes, at)) return this.#put(bytes, at, size, false);
    const leavesOpen = this.#offload !== Offload.none && size > SMALL &&
      isInnermost(bytes, at, size);
    if (leavesOpen) return this.#put(bytes, at, size, true);
    return completeChecksum(bytes, at, size) && this.#put(bytes, at, size, false);
  }

  #cut(bytes: Uint8Array, at: number, length: number): boolean {
    if (!acceptHeader(bytes, at, length, this.#offload)) return false;
    const segments = this.#segments;
    segments.take(bytes, at, length);
    if (segments.lengthOf(0) > this.longest) return false;
    for (let i = 0; i < segments.count; i++) {
      const size = segments.lengthOf(i);
      const to = this.#begin(size + 1);
      this.#arena[to] = FrameType.openPacket;
      segments.write(i, this.#arena, to + 1);
      this.#textEnd = to + 1 + size;
      this.#seal();
    }
    return true;
  }

  #put(bytes: Uint8Array, at: number, length: number, isOpen: boolean): boolean {
    if (length > this.longest) return false;
    const isSmall = length <= SMALL && !isOpen;
    const fits = this.#textEnd > 0 && isSmall &&
      this.#textEnd + SHARED_HEADER + length + TAG_SIZE <= this.#end + this.#most;
    // One that others share may grow to the full size.
    const text = isSmall ? this.#most - DATAGRAM_OVERHEAD : length + 1;
    const to = fits ? this.#textEnd : this.#begin(text);
    const arena = this.#arena;
    const header = isSmall ? SHARED_HEADER : 1;
    arena[to] = isSmall ? FrameType.packet : isOpen ? FrameType.openPacket : FrameType.lastPacket;
    if (isSmall) writeVarint(arena, to + 1, length, 2);
    arena.set(bytes.subarray(at, at + length), to + header);
    this.#textEnd = to + header + length;
    if (!isSmall) this.#seal();
    return true;
  }

  /** Begins a datagram with so much text at most; returns where it goes. */
  #begin(text: number): number {
    this.#seal();
    const size = DATAGRAM_OVERHEAD + text;
    // All but the last have one size: a longer one is not sent with those before.
    if (this.#count > 0 && (size > this.#segment || this.#end + size > ARENA)) this.#flush();
    return this.#end + HEAD_SIZE;
  }

  #seal(): void {
    if (this.#textEnd === 0) return;
    const start = this.#end;
    this.#carrier!.seal(this.#arena, start, this.#textEnd, this.#now);
    const size = this.#textEnd + TAG_SIZE - start;
    this.#textEnd = 0;
    if (this.#count === 0) this.#segment = size;
    this.#end += size;
    this.#count++;
    if (size < this.#segment || this.#count === MOST_DATAGRAMS) this.#flush();
  }

  #flush(): void {
    if (this.#count === 0) return;
    // An address that may be somebody else's gets nothing more meanwhile.
    if (this.#carrier!.maySend(this.#end)) {
      this.#send(this.#arena.subarray(0, this.#end), this.#segment);
    }
    this.#end = this.#count = 0;
  }
}
