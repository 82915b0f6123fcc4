import { formatIp, type HostPort, parseIp } from "../../base/addr.ts";
import { concat, readU16, readU32, writeU16, writeU32 } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";

/** Bytes of a message's header (RFC 8489 section 5). */
export const STUN_HEADER = 20;

/** Bytes of a transaction's number, which are random. */
export const STUN_TRANSACTION = 12;

/** More than any message without authentication has. */
const MOST_ATTRIBUTES = 1024;

const COOKIE = 0x2112a442;
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const BINDING_ERROR = 0x0111;
const MAPPED_ADDRESS = 0x0001;
const ERROR_CODE = 0x0009;
const UNKNOWN_ATTRIBUTES = 0x000a;
const XOR_MAPPED_ADDRESS = 0x0020;

/** Attributes below it must be understood by whoever reads a request (section 14). */
const OPTIONAL_FROM = 0x8000;

const FAMILY_IPV4 = 1;
const FAMILY_IPV6 = 2;

/**
 * Returns the size of a whole message from its header, the first 20 bytes; over TCP messages follow
 * one another (section 6.2.2). @throws {ProtocolError} if that is no header, or one of a long message
 */
export function stunSize(header: Uint8Array): number {
  const length = readU16(header, 2);
  const isStun = header[0]! < 0x40 && readU32(header, 4) === COOKIE && length % 4 === 0;
  if (!isStun) throw new ProtocolError("Cannot read the answer: it is not STUN");
  if (length > MOST_ATTRIBUTES) throw new ProtocolError("Cannot read the message: it is too long");
  return STUN_HEADER + length;
}

/** Asks for one's own address as the server sees it. `transaction`: 12 random bytes. */
export function packBindingRequest(transaction: Uint8Array): Uint8Array {
  return pack(BINDING_REQUEST, transaction, new Uint8Array(0));
}

/**
 * Answers a whole message: tells a request where it came from, or which of its attributes are unknown;
 * null for all other messages. The address is one of IP.
 */
export function answerStun(message: Uint8Array, from: HostPort): Uint8Array | null {
  if (readU16(message, 0) !== BINDING_REQUEST) return null;
  const transaction = transactionOf(message);
  const unknown = attributesOf(message).map(({ type }) => type).filter((type) =>
    type < OPTIONAL_FROM
  );
  if (unknown.length === 0) {
    const value = xorAddress(from, transaction);
    return pack(BINDING_SUCCESS, transaction, attribute(XOR_MAPPED_ADDRESS, value));
  }
  const types = new Uint8Array(2 * unknown.length);
  for (const [i, type] of unknown.entries()) writeU16(types, 2 * i, type);
  const refused = attribute(ERROR_CODE, Uint8Array.of(0, 0, 4, 20)); // 420 Unknown Attribute
  return pack(BINDING_ERROR, transaction, concat(refused, attribute(UNKNOWN_ATTRIBUTES, types)));
}

/** Reads the answer to a request. @throws {ProtocolError} if it is none, or a refusal */
export function readBindingResponse(message: Uint8Array, transaction: Uint8Array): HostPort {
  const isAnswer = transactionOf(message).every((byte, i) => byte === transaction[i]);
  if (!isAnswer || readU16(message, 0) !== BINDING_SUCCESS) {
    throw new ProtocolError("Cannot learn the public address: the STUN server has refused");
  }
  const all = attributesOf(message);
  const xored = all.find(({ type }) => type === XOR_MAPPED_ADDRESS);
  const plain = all.find(({ type }) => type === MAPPED_ADDRESS); // of servers of RFC 3489
  const found = xored ?? plain;
  if (found === undefined) {
    throw new ProtocolError(
      "Cannot learn the public address: it is not in the STUN server's answer",
    );
  }
  return readAddress(found.value, xored === undefined ? null : transaction);
}

function pack(type: number, transaction: Uint8Array, attributes: Uint8Array): Uint8Array {
  const message = new Uint8Array(STUN_HEADER + attributes.length);
  writeU16(message, 0, type);
  writeU16(message, 2, attributes.length);
  writeU32(message, 4, COOKIE);
  message.set(transaction, 8);
  message.set(attributes, STUN_HEADER);
  return message;
}

/** Padded to four bytes. */
function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + (value.length + 3 & ~3));
  writeU16(bytes, 0, type);
  writeU16(bytes, 2, value.length);
  bytes.set(value, 4);
  return bytes;
}

function transactionOf(message: Uint8Array): Uint8Array {
  return message.subarray(8, STUN_HEADER);
}

function attributesOf(message: Uint8Array): { type: number; value: Uint8Array }[] {
  const found = [];
  for (let at = STUN_HEADER; at < message.length;) {
    const length = at + 4 <= message.length ? readU16(message, at + 2) : Infinity;
    const end = at + 4 + length;
    if (end > message.length) throw new ProtocolError("Cannot read the message: it is cut short");
    found.push({ type: readU16(message, at), value: message.subarray(at + 4, end) });
    at = end + 3 & ~3;
  }
  return found;
}

/** Section 14.2: port and address are combined with the cookie, IPv6 with the transaction too. */
function xorAddress({ host, port }: HostPort, transaction: Uint8Array): Uint8Array {
  const ip = parseIp(host)!;
  const value = new Uint8Array(4 + ip.length);
  value[1] = ip.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6;
  writeU16(value, 2, port);
  value.set(ip, 4);
  xor(value, transaction);
  return value;
}

function xor(value: Uint8Array, transaction: Uint8Array): void {
  const pad = new Uint8Array(16);
  writeU32(pad, 0, COOKIE);
  pad.set(transaction, 4);
  for (let i = 0; i < 2; i++) value[2 + i]! ^= pad[i]!;
  for (let i = 4; i < value.length; i++) value[i]! ^= pad[i - 4]!;
}

/** `transaction`: null if the address is not combined with it. */
function readAddress(bytes: Uint8Array, transaction: Uint8Array | null): HostPort {
  const value = bytes.slice();
  const size = value[1] === FAMILY_IPV4 ? 4 : value[1] === FAMILY_IPV6 ? 16 : 0;
  if (size === 0 || value.length !== 4 + size) {
    throw new ProtocolError("Cannot learn the public address: the STUN server's is unreadable");
  }
  if (transaction !== null) xor(value, transaction);
  return { host: formatIp(value.subarray(4)), port: readU16(value, 2) };
}
