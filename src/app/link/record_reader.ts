import { ProtocolError } from "../../base/errors.ts";
import {
  isComplete,
  MAX_SUPER_PACKET,
  Offload,
  type Packets,
  VIRTIO_NET_HEADER,
} from "../../contract/batch.ts";
import {
  type Frame,
  FrameType,
  readFrame,
  SUPER_CONTINUES,
  SUPER_MORE,
} from "../../core/link/v2/frames.ts";
import type { LinkSession } from "../../core/link/v2/handshake.ts";
import { RECORD_HEADER, RECORD_TAG } from "../../core/link/v2/record.ts";
import { Reader } from "../../base/varint.ts";
import { ReceiveBuffer } from "./receive_buffer.ts";

/** New keys cost as much as so many other frames; an honest peer changes them once an hour. */
const REKEY_COST = 8;

/** So many frames that are no packets are dealt with at a time: each may cost as much as one. */
const OTHERS = 64;

/**
 * A piece in the middle of a super-packet that has at least so many bytes is a part of it; a shorter
 * one is counted as a control frame. Senders that cut in two have no middle.
 */
const LEAST_PIECE = 1024;

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
  /** Of a super-packet that comes in pieces: its header, and so many of its bytes; -1 = there is none. */
  #piecesLength = -1;
  /** Where the pieces go, from the first one on: lent with the packet until the next read. */
  #pieces: Uint8Array | null = null;
  #ended = false;
  /** Frames since they were asked for that carry no packet, beyond one filler before each that does. */
  #strays = 0;
  /** 1 when a filler of the open record has come whose packet may still follow, else 0. */
  #fillersAhead = 0;

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

  /** Whether nothing of the open record is left to be read. */
  get isRead(): boolean {
    return this.#frames.isAtEnd;
  }

  /**
   * Packets of the open record, as many as the batch takes; other frames are dealt with on the way,
   * some of them: it may return without a packet though there is more.
   */
  readPackets(into: Packets): number {
    const frames = this.#frames;
    const most = into.offset.length;
    let count = 0;
    let others = 0;
    let fillers = 0;
    into.bytes = this.#buffer.bytes;
    while (!frames.isAtEnd && count < most && others < OTHERS && !this.#ended) {
      const type = frames.bytes[frames.at];
      if (type === FrameType.packet) {
        if (this.#piecesLength >= 0) throw outOfPlace("packet");
        frames.at++;
        this.#give(into, count++, 0);
      } else if (type === FrameType.superPacket && this.#offload !== Offload.none) {
        const flags = frames.bytes[frames.at + 1];
        if (flags !== 0 && count > 0) break; // pieces make a batch of their own
        frames.at += 2;
        if (flags === 0 && this.#piecesLength < 0) this.#give(into, count++, VIRTIO_NET_HEADER);
        else if (this.#takePiece(flags, into)) {
          count = 1;
          break;
        } else others++;
      } else {
        const frame = readFrame(frames);
        this.#ended = !this.#deal(frame);
        others++;
        if (frame === null) fillers++;
        else this.#strays += frame.kind === "rekey" ? REKEY_COST : 1;
      }
    }
    this.#countFillers(fillers, count);
    return into.count = count;
  }

  /** A batch may end between a filler and its packet: that filler is counted with the next batch. */
  #countFillers(fillers: number, packets: number): void {
    const over = this.#fillersAhead + fillers - packets;
    this.#fillersAhead = over > 0 && !this.#frames.isAtEnd ? 1 : 0;
    if (over > 0) this.#strays += over - this.#fillersAhead;
  }

  /** How many frames without a packet have come since the last call. */
  takeStrays(): number {
    const strays = this.#strays;
    this.#strays = 0;
    return strays;
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
    const continues = this.#piecesLength >= 0;
    const isMore = flags === (continues ? SUPER_CONTINUES | SUPER_MORE : SUPER_MORE);
    if (!isMore && !(continues && flags === SUPER_CONTINUES)) throw outOfPlace("superPacket");
    const pieces = this.#pieces ??= new Uint8Array(2 * VIRTIO_NET_HEADER + MAX_SUPER_PACKET);
    const at = 2 * VIRTIO_NET_HEADER;
    const have = continues ? this.#piecesLength : 0;
    if (continues && isMore && length < LEAST_PIECE) this.#strays++;
    if (!continues) pieces.set(frames.take(VIRTIO_NET_HEADER), VIRTIO_NET_HEADER);
    if (have + length > MAX_SUPER_PACKET) {
      throw new ProtocolError("Cannot go on: a super-packet is longer than any packet can be");
    }
    pieces.set(frames.take(length), at + have);
    this.#piecesLength = isMore ? have + length : -1;
    if (isMore) return false;
    into.bytes = pieces;
    into.offset[0] = at;
    into.length[0] = have + length;
    into.header[0] = isComplete(pieces, at) ? 0 : 1;
    into.count = 1;
    return true;
  }
}

/** A frame came where none may stand. */
export function outOfPlace(kind: Frame["kind"]): ProtocolError {
  return new ProtocolError(`Cannot go on: a ${kind} frame came where none may stand`);
}
