import { concat, utf8 } from "../../base/bytes.ts";

/** Tags of DER (X.690) that certificates have. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Returns an element: tag, length in its shortest form, contents one after the other. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const content = concat(...contents);
  return concat(Uint8Array.of(tag, ...lengthOf(content.length)), content);
}

export function sequence(...contents: readonly Uint8Array[]): Uint8Array {
  return der(TAG.sequence, ...contents);
}

/** A positive integer from its big-endian bytes. */
export function integer(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const shortest = first === -1 ? Uint8Array.of(0) : bytes.subarray(first);
  return der(TAG.integer, ...(shortest[0]! >= 0x80 ? [Uint8Array.of(0)] : []), shortest);
}

/** `spelled`: numbers with dots, as "2.5.29.17". */
export function oid(spelled: string): Uint8Array {
  const [first, second, ...rest] = spelled.split(".").map(Number);
  return der(TAG.oid, Uint8Array.from([40 * first! + second!, ...rest.flatMap(base128)]));
}

export function bitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return der(TAG.bitString, Uint8Array.of(unusedBits), bytes);
}

export function octetString(...contents: readonly Uint8Array[]): Uint8Array {
  return der(TAG.octetString, ...contents);
}

export function utf8String(text: string): Uint8Array {
  return der(TAG.utf8String, utf8(text));
}

/** A time of a certificate (RFC 5280 section 4.1.2.5): whole seconds, with four digits from 2050 on. */
export function time(ms: number): Uint8Array {
  const digits = new Date(ms).toISOString().replace(/\.\d+Z$/, "Z").replaceAll(/[-:T]/g, "");
  return Number(digits.slice(0, 4)) < 2050
    ? der(TAG.utcTime, utf8(digits.slice(2)))
    : der(TAG.generalizedTime, utf8(digits));
}

/** The tag of an element that its context alone explains. */
export function contextTag(number: number, isConstructed: boolean): number {
  return (isConstructed ? 0xa0 : 0x80) | number;
}

function lengthOf(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
}

function base128(value: number): number[] {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.unshift(0x80 | (rest % 128));
  }
  return bytes;
}
