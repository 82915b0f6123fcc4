import { readU32, writeU32 } from "../../base/bytes.ts";

/** Positions on the ring are integers modulo 2^128. */
export const CIRCLE = 1n << 128n;

/** Bytes of a position on the wire. */
export const POSITION_SIZE = 16;

/** Returns how far it is from `from` clockwise to `to`. */
export function distance(from: bigint, to: bigint): bigint {
  return to >= from ? to - from : to - from + CIRCLE;
}

/** True if `x` is in (from, to], which is the whole circle where both ends are the same. */
export function isWithin(from: bigint, x: bigint, to: bigint): boolean {
  if (from < to) return from < x && x <= to;
  return from === to || x > from || x <= to;
}

/** True if `x` is in (from, to) without its ends; all but `from` where both ends are the same. */
export function isBetween(from: bigint, x: bigint, to: bigint): boolean {
  if (from < to) return from < x && x < to;
  return from === to ? x !== from : x > from || x < to;
}

/** Reads the first 16 bytes as a position. */
export function readPosition(bytes: Uint8Array, at = 0): bigint {
  let value = 0n;
  for (let i = 0; i < POSITION_SIZE; i += 4) value = value << 32n | BigInt(readU32(bytes, at + i));
  return value;
}

export function writePosition(bytes: Uint8Array, at: number, position: bigint): void {
  for (let i = POSITION_SIZE - 4; i >= 0; i -= 4) {
    writeU32(bytes, at + i, Number(position & 0xffff_ffffn));
    position >>= 32n;
  }
}
