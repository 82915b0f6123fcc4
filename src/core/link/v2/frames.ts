import { concat } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { VIRTIO_NET_HEADER } from "../../../contract/batch.ts";
import { Reader, varint, writeVarint } from "../../../base/varint.ts";
import { onlyVarint } from "./tlv.ts";

/** Types of frames in a record, none of which crosses one (docs/wire/link-v2.md, "Frames"). */
export const FrameType = {
  padding: 0x00,
  packet: 0x01,
  gsoPacket: 0x02,
  ping: 0x03,
  pong: 0x04,
  rekey: 0x05,
  setup: 0x06,
  /** In a datagram (docs/wire/udp.md): a packet to its end; the same with an open checksum. */
  lastPacket: 0x07,
  openPacket: 0x08,
  close: 0x22,
  segmentSize: 0x81,
} as const;

/** Types from here on carry a length and are skipped if unknown. */
const SKIPPABLE = 0x80;

export const ECHO_SIZE = 8;

export const GSO_MORE = 0x01;
export const GSO_CONTINUES = 0x02;
const MAX_WORDS = 1024;

/** Reasons for a close. All but `carrier` end the session. */
export const CloseCode = {
  bye: 0,
  protocol: 1,
  busy: 2,
  notAllowed: 3,
  limit: 4,
  goingDown: 5,
  unknownSession: 6,
  carrier: 7,
} as const;

/** A frame that was read; byte arrays are views of the record's text. */
export type Frame =
  | { kind: "packet"; at: number; length: number }
  | { kind: "gsoPacket"; flags: number; header: Uint8Array | null; at: number; length: number }
  | { kind: "ping" | "pong"; data: Uint8Array }
  | { kind: "rekey" }
  | { kind: "setup"; tlvs: Uint8Array }
  | { kind: "close"; code: number; words: string }
  | { kind: "segmentSize"; bytes: number };

/** Bytes before a packet: type, and length in four bytes. */
export const PACKET_HEADER = 5;
/** Header size with a filler before it, for devices that need more room between packets. */
export const PACKET_HEADER_FILLED = 12;
const FILLER = 0x80;

/** Writes a header of one of the two sizes above: the frame is `bytes[at-header .. at+length)`. */
export function writePacketHeader(
  bytes: Uint8Array,
  at: number,
  length: number,
  header: number,
): void {
  if (header === PACKET_HEADER_FILLED) {
    bytes.fill(0, at - PACKET_HEADER_FILLED, at);
    bytes[at - PACKET_HEADER_FILLED] = FILLER;
    bytes[at - PACKET_HEADER_FILLED + 1] = PACKET_HEADER_FILLED - PACKET_HEADER - 2;
  }
  bytes[at - PACKET_HEADER] = FrameType.packet;
  writeVarint(bytes, at - 4, length, 4);
}

/** Bytes before a super-packet: type, flags, length in four bytes, virtio_net_hdr. */
export const GSO_HEADER = 6 + VIRTIO_NET_HEADER;

/** Writes what precedes the virtio_net_hdr: the frame is `bytes[at-16 .. at+length)`. */
export function writeGsoHeader(
  bytes: Uint8Array,
  at: number,
  length: number,
  flags = 0,
): void {
  bytes[at - GSO_HEADER] = FrameType.gsoPacket;
  bytes[at - GSO_HEADER + 1] = flags;
  writeVarint(bytes, at - GSO_HEADER + 2, length, 4);
}

/** Bytes before the data of a continuing piece, which has no virtio_net_hdr. */
export const PIECE_HEADER = GSO_HEADER - VIRTIO_NET_HEADER;

export function writeLastPiece(bytes: Uint8Array, at: number, length: number): void {
  bytes[at - PIECE_HEADER] = FrameType.gsoPacket;
  bytes[at - PIECE_HEADER + 1] = GSO_CONTINUES;
  writeVarint(bytes, at - PIECE_HEADER + 2, length, 4);
}

/** Makes a ping, or the pong that returns its 8 bytes. */
export function packEcho(type: "ping" | "pong", data: Uint8Array): Uint8Array {
  return concat(new Uint8Array([FrameType[type]]), data);
}

export function packRekey(): Uint8Array {
  return new Uint8Array([FrameType.rekey]);
}

export function packPadding(length: number): Uint8Array {
  return new Uint8Array(length); // the type is zero; the rest is ignored
}

export function packSetup(tlvs: Uint8Array): Uint8Array {
  return concat(new Uint8Array([FrameType.setup]), varint(tlvs.length), tlvs);
}

/** Tells a client which segment size, in bytes, passes on its path (TCP_MAXSEG). */
export function packSegmentSize(bytes: number): Uint8Array {
  const value = varint(bytes);
  return concat(new Uint8Array([FrameType.segmentSize]), varint(value.length), value);
}

/** Makes a close frame; words that are too long are cut after their last complete character. */
export function packClose(code: number, words: string): Uint8Array {
  const room = new Uint8Array(MAX_WORDS);
  const text = room.subarray(0, new TextEncoder().encodeInto(words, room).written);
  return concat(new Uint8Array([FrameType.close]), varint(code), varint(text.length), text);
}

/**
 * Reads the frames in `bytes[start..end)`; packets are offsets, not copies.
 * @throws {ProtocolError} on an unknown type below 80 and on a frame that is cut short
 */
export function* readFrames(bytes: Uint8Array, start: number, end: number): Generator<Frame> {
  const reader = new Reader(bytes, start, end);
  while (!reader.isAtEnd) {
    const frame = readFrame(reader);
    if (frame !== null) yield frame;
  }
}

/** Returns null for padding and for frames to be skipped. @throws as `readFrames` */
export function readFrame(reader: Reader): Frame | null {
  const type = reader.u8();
  switch (type) {
    case FrameType.padding:
      reader.at = reader.end;
      return null;
    case FrameType.packet: {
      const length = reader.varint();
      reader.skip(length);
      return { kind: "packet", at: reader.at - length, length };
    }
    case FrameType.gsoPacket: {
      const flags = reader.u8();
      const length = reader.varint();
      // Only the first piece has a virtio_net_hdr.
      const header = (flags & GSO_CONTINUES) === 0 ? reader.take(VIRTIO_NET_HEADER) : null;
      reader.skip(length);
      return { kind: "gsoPacket", flags, header, at: reader.at - length, length };
    }
    case FrameType.ping:
      return { kind: "ping", data: reader.take(ECHO_SIZE) };
    case FrameType.pong:
      return { kind: "pong", data: reader.take(ECHO_SIZE) };
    case FrameType.rekey:
      if (!reader.isAtEnd) {
        throw new ProtocolError("Cannot read a record: a frame stands behind rekey");
      }
      return { kind: "rekey" };
    case FrameType.setup:
      return { kind: "setup", tlvs: reader.take(reader.varint()) };
    case FrameType.close:
      return { kind: "close", code: reader.varint(), words: readWords(reader) };
    case FrameType.segmentSize:
      return { kind: "segmentSize", bytes: onlyVarint(reader.take(reader.varint())) };
    default:
      if (type < SKIPPABLE) {
        throw new ProtocolError(`Cannot read a frame: type ${type} is not known`);
      }
      reader.skip(reader.varint());
      return null;
  }
}

/** Control characters, line and paragraph separators, and marks of writing direction. */
const UNSHOWN =
  // deno-lint-ignore no-control-regex -- control characters are what this finds
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Reads the peer's text and makes it safe for a terminal. */
function readWords(reader: Reader): string {
  const length = reader.varint();
  if (length > MAX_WORDS) {
    throw new ProtocolError("Cannot read a close frame: its words are too long");
  }
  return new TextDecoder().decode(reader.take(length)).replace(UNSHOWN, "");
}

/** Returns the error for a frame where none of its kind may stand. */
export function outOfPlace(kind: Frame["kind"]): ProtocolError {
  return new ProtocolError(`Cannot go on: a ${kind} frame came where none may stand`);
}
