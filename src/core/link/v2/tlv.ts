import { concat } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { Reader, varint } from "../../../base/varint.ts";

/**
 * Type, length, value of the handshake (docs/wire/link-v2.md, "Handshake"): type u8, length as a
 * varint, value. Type 0 has no length: what follows it is padding.
 */
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
  /** Types from 80 on came later: ends that do not know them skip them. */
  identity: 0x80,
} as const;

/** From here on a type that is not listed is skipped; below, it ends the handshake. */
const SKIPPABLE = 0x80;

export type TlvMap = ReadonlyMap<number, Uint8Array>;

export function packTlv(type: number, value: Uint8Array): Uint8Array {
  return concat(new Uint8Array([type]), varint(value.length), value);
}

/**
 * The TLVs of both lists from where the reader is to its end, as views; `padded` where padding may
 * stand there. Others from type 80 on are skipped.
 * @throws {ProtocolError} on one that is cut, doubled, missing of `required`, or below 80 in neither
 * list
 */
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

/** A value that is one varint and nothing behind it. */
export function onlyVarint(value: Uint8Array): number {
  return onlyVarints(value, 1)[0]!;
}

/** A value that is `count` varints and nothing behind them. */
export function onlyVarints(value: Uint8Array, count: number): number[] {
  const reader = new Reader(value);
  const found = Array.from({ length: count }, () => reader.varint());
  if (!reader.isAtEnd) throw new ProtocolError("Cannot read the handshake: a value is too long");
  return found;
}

/** A value of exactly `size` bytes. */
export function exactly(value: Uint8Array, size: number): Uint8Array {
  if (value.length !== size) {
    throw new ProtocolError("Cannot read the handshake: a value has a wrong size");
  }
  return value;
}
