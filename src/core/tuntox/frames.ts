import { readU16, readU32, writeU16, writeU32 } from "../../base/bytes.ts";
import { fromLatin1, toLatin1 } from "../../base/latin1.ts";

/** Largest packet of Tox's that programs may send, in bytes. */
export const MAX_PACKET = 1373;

export const HEADER = 8;

export const MAX_PAYLOAD = MAX_PACKET - HEADER;

/** The high byte is the kind of a Tox packet as well: 160 to 191 belong to programs. */
const MAGIC = 0xa26b;

/** Version 1, which nobody speaks any more. */
const MAGIC_OLD = 0xa26a;

/** Bytes of a forward's id. */
const ID_SIZE = 4;

const EMPTY = new Uint8Array();

export const Type = {
  pong: 0x0100,
  ping: 0x0108,
  data: 0x0600,
  fin: 0x0601,
  request: 0x0602,
  deny: 0x0604,
  ack: 0x0610,
} as const;

/** A frame of tuntox's protocol (docs/wire/tuntox.md, 2); payloads are views of the packet. */
export type Frame =
  | { readonly kind: "ping" | "pong"; readonly payload: Uint8Array }
  /** The host may hold any bytes: it is not checked. */
  | {
    readonly kind: "request";
    readonly forward: number;
    readonly host: string;
    readonly port: number;
  }
  | { readonly kind: "ack"; readonly forward: number; readonly tunnel: number }
  | { readonly kind: "data"; readonly tunnel: number; readonly payload: Uint8Array }
  | { readonly kind: "fin"; readonly tunnel: number }
  /** ttun's own: a request is refused, with a code of SOCKS5. */
  | { readonly kind: "deny"; readonly forward: number; readonly code: number };

/**
 * Why a packet is no frame: it is cut, of version 1, of no version, says a length that it has not or
 * may not have, has no known type, or its payload is too short for its type.
 */
export type NoFrame = "short" | "old" | "magic" | "length" | "type" | "payload";

/** A frame of any type; `number` is a tunnel's, a stream's or a port. */
export interface TypedFrame {
  readonly type: number;
  readonly number: number;
  readonly payload: Uint8Array;
}

/** Reads a packet's header; what stands behind the payload is passed over, as tuntox does. */
export function parseHeader(packet: Uint8Array): TypedFrame | Exclude<NoFrame, "type" | "payload"> {
  if (packet.length < HEADER) return "short";
  const magic = readU16(packet, 0);
  if (magic !== MAGIC) return magic === MAGIC_OLD ? "old" : "magic";
  const length = readU16(packet, 6);
  if (length > MAX_PAYLOAD || packet.length < HEADER + length) return "length";
  const payload = packet.subarray(HEADER, HEADER + length);
  return { type: readU16(packet, 2), number: readU16(packet, 4), payload };
}

export function parseFrame(packet: Uint8Array): Frame | NoFrame {
  const frame = parseHeader(packet);
  return typeof frame === "string" ? frame : parseBody(frame.type, frame.number, frame.payload);
}

function parseBody(type: number, number: number, payload: Uint8Array): Frame | NoFrame {
  switch (type) {
    case Type.ping:
      return { kind: "ping", payload };
    case Type.pong:
      return { kind: "pong", payload };
    case Type.data:
      return payload.length === 0 ? "payload" : { kind: "data", tunnel: number, payload };
    case Type.fin:
      return { kind: "fin", tunnel: number };
    case Type.ack:
      if (payload.length < ID_SIZE) return "payload";
      return { kind: "ack", forward: readU32(payload, 0), tunnel: number };
    case Type.request: {
      if (payload.length < ID_SIZE) return "payload";
      const host = fromLatin1(payload.subarray(ID_SIZE));
      return { kind: "request", forward: readU32(payload, 0), host, port: number };
    }
    case Type.deny:
      if (payload.length <= ID_SIZE) return "payload";
      return { kind: "deny", forward: readU32(payload, 0), code: payload[ID_SIZE]! };
    default:
      return "type";
  }
}

/** Writes a header to the front of `into`; the payload of `length` bytes stands behind it. */
export function writeHeader(into: Uint8Array, type: number, number: number, length: number): void {
  writeU16(into, 0, MAGIC);
  writeU16(into, 2, type);
  writeU16(into, 4, number);
  writeU16(into, 6, length);
}

/** `payload`: at most MAX_PAYLOAD bytes, as everywhere here. */
export function packFrame(
  type: number,
  number: number,
  payload: Uint8Array = EMPTY,
): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(HEADER + payload.length);
  writeHeader(packet, type, number, payload.length);
  packet.set(payload, HEADER);
  return packet;
}

export function packPing(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  return packFrame(Type.ping, 0, payload);
}

export function packPong(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  return packFrame(Type.pong, 0, payload);
}

export function packRequest(
  forward: number,
  { host, port }: { readonly host: string; readonly port: number },
): Uint8Array<ArrayBuffer> {
  const name = toLatin1(host);
  const payload = new Uint8Array(ID_SIZE + name.length);
  writeU32(payload, 0, forward);
  payload.set(name, ID_SIZE);
  return packFrame(Type.request, port, payload);
}

export function packAck(forward: number, tunnel: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(ID_SIZE);
  writeU32(payload, 0, forward);
  return packFrame(Type.ack, tunnel, payload);
}

export function packDeny(forward: number, code: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(ID_SIZE + 1);
  writeU32(payload, 0, forward);
  payload[ID_SIZE] = code;
  return packFrame(Type.deny, 0, payload);
}

export function packFin(tunnel: number): Uint8Array<ArrayBuffer> {
  return packFrame(Type.fin, tunnel);
}

/** Writes the header of a data frame whose payload stands behind it already. */
export function writeDataHeader(packet: Uint8Array, tunnel: number, length: number): void {
  writeHeader(packet, Type.data, tunnel, length);
}
