import { concat, readU32, toHex, utf8, writeU32 } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import { Reader } from "../../base/varint.ts";
import { nodeIdOf, type NodeKey, PLACES, positionOf } from "./node_id.ts";

/** Longest descriptor on the wire, its signature included. */
export const MAX_DESCRIPTOR = 512;

/** Longest time for which a descriptor is valid. */
export const DESCRIPTOR_MS = 24 * 3600 * 1000;

const SIGNATURE = 64;
const PUBLIC_KEY = 32;
const FORMAT = 1;

/** Things that a node may do; its certificate says the same. */
export const NODE_ROLES = ["node", "core", "gateway"] as const;
export type NodeRole = typeof NODE_ROLES[number];

/** The node's own words about itself, which it signs. */
export interface DescriptorBody {
  /** Ed25519. */
  readonly publicKey: Uint8Array;
  /** Which of its 16 positions the node stands on. */
  readonly place: number;
  /** Where it can be dialled, as HOST:PORT. */
  readonly addresses: readonly string[];
  /** Two nodes of one host fail together, and never hold two copies of a record. */
  readonly host: string;
  readonly zone: string;
  readonly roles: readonly NodeRole[];
  /** Unix milliseconds of the node's start. A higher one replaces a lower one. */
  readonly incarnation: number;
  /** Versions of the wire that it speaks. */
  readonly lowestVersion: number;
  readonly highestVersion: number;
  /** Unix milliseconds after which it is void. */
  readonly notAfter: number;
}

/** A descriptor as it travels, with what follows from its body. */
export interface Descriptor extends DescriptorBody {
  readonly key: NodeKey;
  readonly position: bigint;
  readonly signature: Uint8Array;
}

/** Signs the bytes of a descriptor with the node's own key; Ed25519, 64 bytes. */
export type Sign = (body: Uint8Array) => Uint8Array;

/** True if the signature over the bytes is that of the Ed25519 key. */
export type VerifySignature = (
  publicKey: Uint8Array,
  body: Uint8Array,
  signature: Uint8Array,
) => boolean;

/** True if a descriptor is signed by its node. */
export type Verify = (descriptor: Descriptor) => boolean;

/** Returns the bytes that are signed. @throws {RangeError} when a field is too long */
export function descriptorBytes(o: DescriptorBody): Uint8Array {
  const roles = NODE_ROLES.reduce(
    (bits, role, i) => o.roles.includes(role) ? bits | 1 << i : bits,
    0,
  );
  return concat(
    utf8("ttun mesh descriptor\0"),
    Uint8Array.of(FORMAT),
    o.publicKey,
    Uint8Array.of(o.place, o.lowestVersion, o.highestVersion, roles),
    u64(o.incarnation),
    u64(o.notAfter),
    ...[o.host, o.zone].map(shortText),
    Uint8Array.of(o.addresses.length),
    ...o.addresses.map(shortText),
  );
}

const LABEL = utf8("ttun mesh descriptor\0").length;

export function signDescriptor(body: DescriptorBody, sign: Sign): Descriptor {
  const signature = sign(descriptorBytes(body));
  const nodeId = nodeIdOf(body.publicKey);
  return { ...body, key: toHex(nodeId), position: positionOf(nodeId, body.place), signature };
}

export function descriptorVerifier(verify: VerifySignature): Verify {
  return (descriptor) =>
    verify(descriptor.publicKey, descriptorBytes(descriptor), descriptor.signature);
}

/** Returns a descriptor as it stands in frames and on disks. */
export function encodeDescriptor(descriptor: Descriptor): Uint8Array {
  return concat(descriptorBytes(descriptor).subarray(LABEL), descriptor.signature);
}

/** Reads a descriptor; its signature is not checked here. @throws {ProtocolError} */
export function decodeDescriptor(bytes: Uint8Array): Descriptor {
  if (bytes.length > MAX_DESCRIPTOR) throw new ProtocolError("Cannot read a descriptor: too long");
  const reader = new Reader(bytes, 0, Math.max(0, bytes.length - SIGNATURE));
  if (reader.u8() !== FORMAT) throw new ProtocolError("Cannot read a descriptor: unknown format");
  const publicKey = reader.take(PUBLIC_KEY).slice();
  const place = reader.u8();
  const lowestVersion = reader.u8();
  const highestVersion = reader.u8();
  const bits = reader.u8();
  const incarnation = readU64(reader);
  const notAfter = readU64(reader);
  const host = readText(reader);
  const zone = readText(reader);
  const addresses = Array.from({ length: reader.u8() }, () => readText(reader));
  if (!reader.isAtEnd || place >= PLACES) throw new ProtocolError("Cannot read a descriptor");
  const nodeId = nodeIdOf(publicKey);
  return {
    publicKey,
    place,
    addresses,
    host,
    zone,
    roles: NODE_ROLES.filter((_, i) => (bits & 1 << i) !== 0),
    incarnation,
    lowestVersion,
    highestVersion,
    notAfter,
    key: toHex(nodeId),
    position: positionOf(nodeId, place),
    signature: bytes.slice(bytes.length - SIGNATURE),
  };
}

/** True if `a` replaces `b`, both being descriptors of one node. */
export function isNewer(a: Descriptor, b: Descriptor): boolean {
  if (a.incarnation !== b.incarnation) return a.incarnation > b.incarnation;
  return a.notAfter > b.notAfter;
}

function shortText(text: string): Uint8Array {
  const bytes = utf8(text);
  if (bytes.length > 255) throw new RangeError(`Longer than 255 bytes: ${text}`);
  return concat(Uint8Array.of(bytes.length), bytes);
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function readText(reader: Reader): string {
  try {
    return decoder.decode(reader.take(reader.u8()));
  } catch (cause) {
    throw new ProtocolError("Cannot read a text: it is not UTF-8", { cause });
  }
}

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeU32(bytes, 0, Math.floor(value / 0x1_0000_0000));
  writeU32(bytes, 4, value >>> 0);
  return bytes;
}

function readU64(reader: Reader): number {
  const bytes = reader.take(8);
  const value = readU32(bytes, 0) * 0x1_0000_0000 + readU32(bytes, 4);
  if (!Number.isSafeInteger(value)) throw new ProtocolError("Cannot read a time: above 2^53-1");
  return value;
}
