import { ProtocolError } from "../../base/errors.ts";
import type { Reader } from "../../base/varint.ts";
import {
  isComplete,
  MAX_SUPER_PACKET,
  Offload,
  type Packets,
  VIRTIO_NET_HEADER,
} from "../../contract/batch.ts";
import { FrameType, GSO_CONTINUES, GSO_MORE, outOfPlace } from "../../core/link/v2/frames.ts";
import type { FrameConsumer, RecordChannel } from "./record_channel.ts";

/** A shorter middle piece of a super-packet, in bytes, is charged as a control frame. */
const LEAST_PIECE = 1024;

/** Packets before their place in the buffer of pieces: a header, with the room of another. */
const PIECES_AT = 2 * VIRTIO_NET_HEADER;

/** Takes the frames of streams that come beside packets. */
export interface StreamFrames {
  /** Reads the frame at `frames`, if it is one of a stream; false = it is another. */
  receive(frames: Reader): boolean;
  /** Tells if all that came since the last call left nothing to a promise (`OnReady`). */
  takeHandled(): boolean;
}

/** Finds packets where their records were opened; a super-packet's pieces are copied. */
export class PacketReader implements FrameConsumer<Packets> {
  /** Offloads that both ends have; without any, frame 02 is an error. */
  readonly #offload: number;
  /** Null where packets come alone. */
  streams: StreamFrames | null = null;
  /** Bytes so far of a super-packet in pieces; -1 = none. */
  #piecesLength = -1;
  /** From the first piece on; lent with the packet until the next read. */
  #pieces: Uint8Array | null = null;

  constructor(offload: number) {
    this.#offload = offload;
  }

  readFrames(channel: RecordChannel<Packets>, into: Packets): number {
    const { frames } = channel;
    const most = into.offset.length;
    let count = 0;
    into.bytes = frames.bytes;
    while (!frames.isAtEnd && count < most) {
      const type = frames.bytes[frames.at];
      if (type === FrameType.packet) {
        if (this.#piecesLength >= 0) throw outOfPlace("packet");
        frames.at++;
        give(frames, into, count++, 0);
      } else if (type === FrameType.gsoPacket && this.#offload !== Offload.none) {
        const flags = frames.bytes[frames.at + 1];
        if (flags !== 0 && count > 0) break; // pieces make a batch of their own
        frames.at += 2;
        if (flags === 0 && this.#piecesLength < 0) give(frames, into, count++, VIRTIO_NET_HEADER);
        else if (this.#takePiece(channel, flags, into)) {
          count = 1;
          break;
        } else if (!channel.spend()) break;
      } else if (this.streams !== null && this.streams.receive(frames)) channel.batches++;
      else if (!channel.readControl()) break;
    }
    return into.count = count;
  }

  /** Returns true at the last piece, when the packet is given. */
  #takePiece(channel: RecordChannel<Packets>, flags: number | undefined, into: Packets): boolean {
    const { frames } = channel;
    const length = frames.varint();
    const continues = this.#piecesLength >= 0;
    const isMore = flags === (continues ? GSO_CONTINUES | GSO_MORE : GSO_MORE);
    if (!isMore && !(continues && flags === GSO_CONTINUES)) throw outOfPlace("gsoPacket");
    const pieces = this.#pieces ??= new Uint8Array(PIECES_AT + MAX_SUPER_PACKET);
    const have = continues ? this.#piecesLength : 0;
    if (continues && isMore && length < LEAST_PIECE) channel.budget.excess++;
    if (!continues) pieces.set(frames.take(VIRTIO_NET_HEADER), PIECES_AT - VIRTIO_NET_HEADER);
    if (have + length > MAX_SUPER_PACKET) {
      throw new ProtocolError("Cannot go on: a super-packet is longer than any packet can be");
    }
    pieces.set(frames.take(length), PIECES_AT + have);
    this.#piecesLength = isMore ? have + length : -1;
    if (isMore) return false;
    into.bytes = pieces;
    into.offset[0] = PIECES_AT;
    into.length[0] = have + length;
    into.hasHeader[0] = isComplete(pieces, PIECES_AT) ? 0 : 1;
    return true;
  }
}

function give(
  frames: Reader,
  into: Packets,
  i: number,
  header: 0 | typeof VIRTIO_NET_HEADER,
): void {
  const length = frames.varint();
  frames.skip(header + length);
  const at = frames.at - length;
  into.offset[i] = at;
  into.length[i] = length;
  into.hasHeader[i] = header === 0 || isComplete(frames.bytes, at) ? 0 : 1;
}
