import { ProtocolError } from "../base/errors.ts";
import { isComplete, MAX_SUPER_PACKET, Offload, VIRTIO_NET_HEADER } from "../base/packets.ts";
import type { Packets } from "../contract/packet.ts";
import {
  type Frame,
  FrameType,
  readFrame,
  SUPER_CONTINUES,
  SUPER_MORE,
} from "../core/link/frames.ts";
import type { LinkSession } from "../core/link/handshake.ts";
import { RECORD_HEADER, RECORD_TAG } from "../core/link/record.ts";
import { Reader } from "../core/varint.ts";
import { ReceiveBuffer } from "./receive_buffer.ts";

/**
 * Records of version 2 as they come, opened where they were read, and the packets in them. Every
 * other frame goes to `deal`, in its place; it says whether frames may still follow.
 */
export class RecordReader {
  readonly #opener: LinkSession["opener"];
  readonly #offload: number;
  readonly #deal: (frame: Frame | null) => boolean;
  readonly #buffer = new ReceiveBuffer();
  /** Frames of the record that is open now. */
  readonly #frames: Reader;
  /** A super-packet that comes in pieces: its header, and so many of its bytes. */
  #pieces: { bytes: Uint8Array; length: number } | null = null;
  #ended = false;

  constructor(
    session: Pick<LinkSession, "opener" | "firstFrames" | "rest">,
    offload: number,
    deal: (frame: Frame | null) => boolean,
  ) {
    this.#opener = session.opener;
    this.#offload = offload;
    this.#deal = deal;
    // What came in one record with the setup is read first, then what came behind it.
    const buffer = this.#buffer;
    buffer.add(session.firstFrames);
    this.#frames = new Reader(buffer.bytes, buffer.start, buffer.end);
    buffer.start = buffer.end;
    buffer.add(session.rest);
  }

  /** Whether the stream may end here: not inside a record. */
  get isEmpty(): boolean {
    return this.#buffer.isEmpty;
  }

  /** Where to read to; only when no record is open. */
  space(): Uint8Array {
    return this.#buffer.space();
  }

  /** Takes note of a read's outcome; false at the peer's FIN. */
  took(got: number | null): boolean {
    return this.#buffer.took(got);
  }

  /** Opens the next record if it is whole. @throws {ProtocolError} */
  openRecord(): boolean {
    const opener = this.#opener;
    const { bytes, start, end } = this.#buffer;
    const size = opener.sizeAt(bytes, start, end);
    if (size === null || start + size > end) return false;
    opener.open(bytes, start, size);
    this.#frames.at = start + RECORD_HEADER;
    this.#frames.end = start + size - RECORD_TAG;
    this.#buffer.start += size;
    return true;
  }

  /** Packets of the open record, as many as the batch takes; all other frames are dealt with on the way. */
  readPackets(into: Packets): number {
    const frames = this.#frames;
    const most = into.offset.length;
    let count = 0;
    into.bytes = this.#buffer.bytes;
    while (!frames.isAtEnd && count < most && !this.#ended) {
      const type = frames.bytes[frames.at];
      if (type === FrameType.packet) {
        if (this.#pieces !== null) throw outOfPlace("packet");
        frames.at++;
        this.#give(into, count++, 0);
      } else if (type === FrameType.superPacket && this.#offload !== Offload.none) {
        const flags = frames.bytes[frames.at + 1];
        if (flags !== 0 && count > 0) break; // pieces make a batch of their own
        frames.at += 2;
        if (flags === 0 && this.#pieces === null) this.#give(into, count++, VIRTIO_NET_HEADER);
        else if (this.#takePiece(flags, into)) return into.count;
      } else this.#ended = !this.#deal(readFrame(frames));
    }
    return into.count = count;
  }

  /** Notes a packet's place, behind its length and `header` bytes of virtio_net_hdr. */
  #give(into: Packets, i: number, header: 0 | typeof VIRTIO_NET_HEADER): void {
    const frames = this.#frames;
    const length = frames.varint();
    frames.skip(header + length);
    const at = frames.at - length;
    into.offset[i] = at;
    into.length[i] = length;
    into.header[i] = header === 0 || isComplete(frames.bytes, at) ? 0 : 1;
  }

  /** Takes a piece of a super-packet. True when that was the last one, and the packet is given. */
  #takePiece(flags: number | undefined, into: Packets): boolean {
    const frames = this.#frames;
    const length = frames.varint();
    const continues = this.#pieces !== null;
    const isMore = flags === (continues ? SUPER_CONTINUES | SUPER_MORE : SUPER_MORE);
    if (!isMore && !(continues && flags === SUPER_CONTINUES)) throw outOfPlace("superPacket");
    const pieces = this.#pieces ??= {
      bytes: new Uint8Array(2 * VIRTIO_NET_HEADER + MAX_SUPER_PACKET),
      length: 0,
    };
    const at = 2 * VIRTIO_NET_HEADER;
    if (!continues) pieces.bytes.set(frames.take(VIRTIO_NET_HEADER), VIRTIO_NET_HEADER);
    if (pieces.length + length > MAX_SUPER_PACKET) {
      throw new ProtocolError("Cannot go on: a super-packet is longer than any packet can be");
    }
    pieces.bytes.set(frames.take(length), at + pieces.length);
    pieces.length += length;
    if (isMore) return false;
    into.bytes = pieces.bytes;
    into.offset[0] = at;
    into.length[0] = pieces.length;
    into.header[0] = isComplete(pieces.bytes, at) ? 0 : 1;
    into.count = 1;
    this.#pieces = null;
    return true;
  }
}

/** A frame came where none may stand. */
export function outOfPlace(kind: Frame["kind"]): ProtocolError {
  return new ProtocolError(`Cannot go on: a ${kind} frame came where none may stand`);
}
