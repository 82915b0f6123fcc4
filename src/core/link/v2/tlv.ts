import { concat } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { Reader, varint } from "../../../base/varint.ts";

/** Types of TLVs: u8 type, varint length, value; 0 begins padding (docs/wire/link-v2.md). */
export const Tlv = {
  padding: 0x00,
  capabilities: 0x01,
  ciphers: 0x02,
  windows: 0x03,
  deadTime: 0x04,
  instance: 0x05,
  session: 0x06,
  carrier: 0x07,
  expected: 0x08,
  proof: 0x09,
  addresses: 0x0a,
  /** Later addition: ends that do not know types from 80 on skip them. */
  identity: 0x80,
  cipherCosts: 0x81,
  routes: 0x82,
  nameServers: 0x83,
  datagramId: 0x84,
} as const;

const SKIPPABLE = 0x80;

export type TlvMap = ReadonlyMap<number, Uint8Array>;

export function packTlv(type: number, value: Uint8Array): Uint8Array {
  return concat(new Uint8Array([type]), varint(value.length), value);
}

/** Reads TLVs up to the end, as views. @throws {ProtocolError} if one is wrong or missing */
export function readTlvs(
  reader: Reader,
  o: { required: readonly number[]; optional?: readonly number[]; padded?: boolean },
): TlvMap {
  const found = new Map<number, Uint8Array>();
  while (!reader.isAtEnd) {
    const type = reader.u8();
    if (type === Tlv.padding && o.padded === true) break;
    const value = reader.take(reader.varint());
    const isListed = o.required.includes(type) || o.optional?.includes(type) === true;
    if (!isListed && type >= SKIPPABLE) continue;
    if (found.has(type)) {
      throw new ProtocolError(`Cannot read the handshake: type ${type} stands twice`);
    }
    if (!isListed) {
      throw new ProtocolError(`Cannot read the handshake: type ${type} is not known here`);
    }
    found.set(type, value);
  }
  for (const type of o.required) {
    if (!found.has(type)) {
      throw new ProtocolError(`Cannot read the handshake: type ${type} is missing`);
    }
  }
  return found;
}

/** Reads a value that is one varint and nothing else. */
export function onlyVarint(value: Uint8Array): number {
  return onlyVarints(value, 1)[0]!;
}

export function onlyVarints(value: Uint8Array, count: number): number[] {
  const reader = new Reader(value);
  const found = Array.from({ length: count }, () => reader.varint());
  if (!reader.isAtEnd) throw new ProtocolError("Cannot read the handshake: a value is too long");
  return found;
}

export function exactly(value: Uint8Array, size: number): Uint8Array {
  if (value.length !== size) {
    throw new ProtocolError("Cannot read the handshake: a value has a wrong size");
  }
  return value;
}
