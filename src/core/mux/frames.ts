import { concat, readU16, writeU16 } from "../../base/bytes.ts";
import { formatIp, ipBytes } from "../../base/addr.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import { type Reader, varint, varintSize, writeVarint } from "../../base/varint.ts";

/** Types of the frames that carry streams (docs/wire/link-v2.md, "Frames" and "Streams"). */
export const MuxFrameType = {
  open: 0x10,
  opened: 0x11,
  data: 0x12,
  fin: 0x13,
  reset: 0x14,
  window: 0x15,
  position: 0x16,
  datagram: 0x18,
  ack: 0x20,
  move: 0x21,
} as const;

/** Kinds of streams in an open frame. */
export const OpenKind = {
  connect: 0,
  listen: 1,
  udp: 2,
  accepted: 3,
  udpListen: 4,
  service: 5,
} as const;
export type OpenKind = (typeof OpenKind)[keyof typeof OpenKind];

/** Code of an `opened` frame for success; all others are SOCKS5 replies (RFC 1928 section 6). */
export const OPENED = 0;

/** SOCKS5 replies that refuse a stream; `taken` is the address of a listener. */
export const Refusal = { generalFailure: 1, notAllowed: 2, taken: 5, notSupported: 7 } as const;

/** The other end of a stream; null = none. `host` is a name or an IP address without brackets. */
export type MuxAddress =
  | null
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

export interface Open {
  readonly kind: OpenKind;
  readonly address: MuxAddress;
  /** Of a stream that was accepted: the stream that listens. */
  readonly listener?: number;
  /** Name of one of ttun's own services. */
  readonly service?: string;
}

/** Bytes of the longest header of a data frame. */
export const MAX_DATA_HEADER = 1 + 8 + 4;

/** Bytes of the longest header of a datagram with an address and a port. */
export const MAX_DATAGRAM_HEAD = 1 + 8 + (2 + 255 + 2) + 4;

const AddressKind = { none: 0, ipv4: 1, name: 3, ipv6: 4, path: 5 } as const;

/** Longest name, a limit of its length byte. */
const MAX_NAME = 255;

/** Longest path of a unix socket, with room to spare (108 on Linux). */
const MAX_PATH = 4096;

/** `body`: of `packOpenBody`. */
export function packOpen(stream: number, body: Uint8Array): Uint8Array {
  return concat(new Uint8Array([MuxFrameType.open]), varint(stream), body);
}

/**
 * Packs what stands behind the number of the stream.
 * @throws {TtunError} if a name or path is empty or too long
 */
export function packOpenBody({ kind, address, listener, service }: Open): Uint8Array {
  if (service !== undefined) return concat(new Uint8Array([kind]), packName(service));
  const number = listener === undefined ? new Uint8Array() : varint(listener);
  return concat(new Uint8Array([kind]), number, packAddress(address));
}

/** `code`: OPENED, or the SOCKS5 reply of a refusal. */
export function packOpened(stream: number, code: number, address: MuxAddress): Uint8Array {
  const head = new Uint8Array([MuxFrameType.opened]);
  return concat(head, varint(stream), new Uint8Array([code]), packAddress(address));
}

/** Makes what stands before the bytes of a data frame. */
export function packDataHeader(stream: number, length: number): Uint8Array {
  const header = new Uint8Array(1 + varintSize(stream) + varintSize(length));
  header[0] = MuxFrameType.data;
  writeVarint(header, writeVarint(header, 1, stream), length);
  return header;
}

/** Makes what stands before the bytes of a datagram; `address` as `packAddress` returns it. */
export function packDatagramHead(stream: number, address: Uint8Array, length: number): Uint8Array {
  const head = new Uint8Array([MuxFrameType.datagram]);
  return concat(head, varint(stream), address, varint(length));
}

/** @throws {ProtocolError} if no frame can say the address */
export function packDatagram(stream: number, address: MuxAddress, bytes: Uint8Array): Uint8Array {
  return concat(packDatagramHead(stream, packAddress(address), bytes.length), bytes);
}

export function packFin(stream: number): Uint8Array {
  return packNumbers(MuxFrameType.fin, stream);
}

export function packReset(stream: number, code: number): Uint8Array {
  return packNumbers(MuxFrameType.reset, stream, code);
}

/** `limit`: data bytes allowed since the beginning. Stream 0 stands for all together. */
export function packWindow(stream: number, limit: number): Uint8Array {
  return packNumbers(MuxFrameType.window, stream, limit);
}

/** `next`: number of the next numbered frame on this carrier. */
export function packPosition(next: number): Uint8Array {
  return packNumbers(MuxFrameType.position, next);
}

/** `next`: all numbered frames below have arrived. */
export function packAck(next: number): Uint8Array {
  return packNumbers(MuxFrameType.ack, next);
}

/** `seconds` until the port closes. */
export function packMove(seconds: number): Uint8Array {
  return packNumbers(MuxFrameType.move, seconds);
}

function packNumbers(type: number, ...numbers: number[]): Uint8Array {
  const bytes = new Uint8Array(
    numbers.reduce((size, number) => size + varintSize(number), 1),
  );
  bytes[0] = type;
  numbers.reduce((at, number) => writeVarint(bytes, at, number), 1);
  return bytes;
}

/** @throws {TtunError} if a name or path is empty or too long */
export function packAddress(address: MuxAddress): Uint8Array {
  if (address === null) return new Uint8Array([AddressKind.none]);
  if ("path" in address) {
    const path = new TextEncoder().encode(address.path);
    if (path.length === 0 || path.length > MAX_PATH) {
      throw new TtunError("usage", `Cannot open a stream: a path has 1 to ${MAX_PATH} bytes`);
    }
    const head = new Uint8Array([AddressKind.path, 0, 0]);
    writeU16(head, 1, path.length);
    return concat(head, path);
  }
  const port = new Uint8Array(2);
  writeU16(port, 0, address.port);
  const ip = ipBytes(address.host);
  if (ip !== null) {
    const kind = ip.length === 4 ? AddressKind.ipv4 : AddressKind.ipv6;
    return concat(new Uint8Array([kind]), ip, port);
  }
  return concat(new Uint8Array([AddressKind.name]), packName(address.host), port);
}

/** Packs the length in a byte, and the name. */
function packName(text: string): Uint8Array {
  const name = new TextEncoder().encode(text);
  if (name.length === 0 || name.length > MAX_NAME) {
    throw new TtunError("usage", `Cannot open a stream: a name has 1 to ${MAX_NAME} bytes`);
  }
  return concat(new Uint8Array([name.length]), name);
}

/** @throws {ProtocolError} */
export function readAddress(reader: Reader): MuxAddress {
  const kind = reader.u8();
  switch (kind) {
    case AddressKind.none:
      return null;
    case AddressKind.ipv4:
      return { host: formatIp(reader.take(4)), port: readPort(reader) };
    case AddressKind.ipv6:
      return { host: formatIp(reader.take(16)), port: readPort(reader) };
    case AddressKind.name:
      return { host: readText(reader, reader.u8()), port: readPort(reader) };
    case AddressKind.path: {
      const length = readPort(reader);
      if (length > MAX_PATH) {
        throw new ProtocolError("Cannot read an address: its path is too long");
      }
      return { path: readText(reader, length) };
    }
    default:
      throw new ProtocolError(`Cannot read an address: its kind ${kind} is not known`);
  }
}

function readPort(reader: Reader): number {
  return readU16(reader.take(2), 0);
}

function readText(reader: Reader, length: number): string {
  if (length === 0) throw new ProtocolError("Cannot read an address: it is empty");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(reader.take(length));
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    throw new ProtocolError("Cannot read an address: it is not UTF-8");
  }
}

/** Receives the frames of `readMuxFrame`; byte arrays are views, valid during the call. */
export interface MuxFrameHandler {
  open(stream: number, open: Open): void;
  opened(stream: number, code: number, address: MuxAddress): void;
  data(stream: number, bytes: Uint8Array): void;
  datagram(stream: number, address: MuxAddress, bytes: Uint8Array): void;
  fin(stream: number): void;
  reset(stream: number, code: number): void;
  window(stream: number, limit: number): void;
  position(next: number): void;
  ack(next: number): void;
  move(seconds: number): void;
}

/** True for types that are numbered by count in each direction. */
export function isNumbered(type: number): boolean {
  return type >= MuxFrameType.open && type <= MuxFrameType.reset;
}

/**
 * Reads the frame at `reader` if it is one of these, and returns false, with nothing read, if it is
 * another.
 * @throws {ProtocolError} on a frame that is cut short or says what no frame may
 */
export function readMuxFrame(reader: Reader, handler: MuxFrameHandler): boolean {
  const type = reader.bytes[reader.at];
  if (reader.isAtEnd || !TYPES.has(type!)) return false;
  reader.at++;
  const number = reader.varint();
  switch (type as (typeof MuxFrameType)[keyof typeof MuxFrameType]) {
    case MuxFrameType.open:
      handler.open(number, readOpen(reader));
      break;
    case MuxFrameType.opened:
      handler.opened(number, reader.u8(), readAddress(reader));
      break;
    case MuxFrameType.data: {
      const length = reader.varint();
      if (length === 0) throw new ProtocolError("Cannot read a data frame: it has no data");
      handler.data(number, reader.take(length));
      break;
    }
    case MuxFrameType.datagram: {
      const address = readAddress(reader);
      handler.datagram(number, address, reader.take(reader.varint()));
      break;
    }
    case MuxFrameType.fin:
      handler.fin(number);
      break;
    case MuxFrameType.reset:
      handler.reset(number, reader.varint());
      break;
    case MuxFrameType.window:
      handler.window(number, reader.varint());
      break;
    case MuxFrameType.position:
      handler.position(number);
      break;
    case MuxFrameType.ack:
      handler.ack(number);
      break;
    case MuxFrameType.move:
      handler.move(number);
      break;
  }
  return true;
}

const TYPES: ReadonlySet<number> = new Set(Object.values(MuxFrameType));

function readOpen(reader: Reader): Open {
  const kind = reader.u8();
  switch (kind) {
    case OpenKind.connect:
    case OpenKind.listen:
    case OpenKind.udp:
    case OpenKind.udpListen:
      return { kind, address: readAddress(reader) };
    case OpenKind.accepted:
      return { kind, listener: reader.varint(), address: readAddress(reader) };
    case OpenKind.service:
      return { kind, address: null, service: readText(reader, reader.u8()) };
    default:
      throw new ProtocolError(`Cannot open a stream: its kind ${kind} is not known`);
  }
}
