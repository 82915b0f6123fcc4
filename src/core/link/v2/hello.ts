import { concat, constantTimeEqual, readU32, writeU32 } from "../../../base/bytes.ts";
import { derive, prepareDerivation } from "./secrets.ts";

/**
 * The first 16 bytes each way (docs/wire/link-v2.md, "Hello"), in the place of version 1's nonces:
 *
 *     r (8) random | e (4) = x XOR mask | t (4) tag     x = p (u8) | unix seconds / 4 (u24)
 *
 * Only who knows S can tell them from random bytes.
 */
export const HELLO_SIZE = 16;

export const MAX_HELLO_PADDING = 255;

/** Largest clock difference, in units of 4 s. */
const STALE_AFTER = 30;
const UNITS = 0x100_0000;

/** Converts milliseconds since 1970 to units of 4 s modulo 2^24. */
export function timeUnits(unixMs: number): number {
  return Math.floor(unixMs / 4000) % UNITS;
}

export interface Hello {
  /** Number of random bytes that follow. */
  readonly padding: number;
  /** Seconds by which the sender's clock is ahead of this one. */
  readonly skewSeconds: number;
  readonly isStale: boolean;
}

/** Makes a client's hello; `random`: 8 bytes, never used before. */
export function clientHello(
  s: Uint8Array,
  random: Uint8Array,
  padding: number,
  unixMs: number,
): Uint8Array {
  return makeHello(s, "c", [random], random, padding, unixMs);
}

/** Makes the answer to a client's hello, never with padding. */
export function serverHello(
  s: Uint8Array,
  theirs: Uint8Array,
  random: Uint8Array,
  unixMs: number,
): Uint8Array {
  return makeHello(s, "s", [theirs, random], random, 0, unixMs);
}

/** Returns null if the 16 bytes are not from a version 2 client with S. */
export function readClientHello(s: Uint8Array, hello: Uint8Array, unixMs: number): Hello | null {
  return readHello(s, "c", [hello.subarray(0, 8)], hello, unixMs);
}

/** Reads hellos of clients as `readClientHello` does, faster where there are many that are not S's. */
export class HelloReader {
  readonly #s: Uint8Array;
  readonly #tagOf: (input: Uint8Array) => Uint8Array;

  /** The secret is borrowed. */
  constructor(s: Uint8Array) {
    this.#s = s;
    this.#tagOf = prepareDerivation(s, "hello c", TAG_AT);
  }

  read(hello: Uint8Array, unixMs: number): Hello | null {
    const tag = this.#tagOf(hello.subarray(0, TAG_AT)).subarray(0, HELLO_SIZE - TAG_AT);
    if (!constantTimeEqual(tag, hello.subarray(TAG_AT, HELLO_SIZE))) return null;
    return readClientHello(this.#s, hello, unixMs);
  }
}

const TAG_AT = 12;

/** Returns null if the 16 bytes, an answer to `mine`, are not version 2 with S. */
export function readServerHello(
  s: Uint8Array,
  mine: Uint8Array,
  hello: Uint8Array,
  unixMs: number,
): Hello | null {
  return readHello(s, "s", [mine, hello.subarray(0, 8)], hello, unixMs);
}

type Side = "c" | "s";

function makeHello(
  s: Uint8Array,
  side: Side,
  context: Uint8Array[],
  random: Uint8Array,
  padding: number,
  unixMs: number,
): Uint8Array {
  const hello = new Uint8Array(HELLO_SIZE);
  hello.set(random);
  const x = ((padding << 24) | timeUnits(unixMs)) >>> 0;
  writeU32(hello, 8, (x ^ mask(s, side, context)) >>> 0);
  hello.set(tag(s, side, context, hello), 12);
  return hello;
}

function readHello(
  s: Uint8Array,
  side: Side,
  context: Uint8Array[],
  hello: Uint8Array,
  unixMs: number,
): Hello | null {
  if (!constantTimeEqual(tag(s, side, context, hello), hello.subarray(12, HELLO_SIZE))) return null;
  const x = (readU32(hello, 8) ^ mask(s, side, context)) >>> 0;
  const ahead = signedDifference(x % UNITS, timeUnits(unixMs));
  return { padding: x >>> 24, skewSeconds: ahead * 4, isStale: Math.abs(ahead) > STALE_AFTER };
}

function mask(s: Uint8Array, side: Side, context: Uint8Array[]): number {
  return readU32(derive(s, `time ${side}`, ...context), 0);
}

/** Computes the tag of `r || e`; the server's also covers the client's hello, in `context`. */
function tag(s: Uint8Array, side: Side, context: Uint8Array[], hello: Uint8Array): Uint8Array {
  const own = concat(hello.subarray(0, 12));
  const inputs = side === "c" ? [own] : [context[0]!, own];
  return derive(s, `hello ${side}`, ...inputs).subarray(0, 4);
}

function signedDifference(a: number, b: number): number {
  const difference = (a - b + UNITS) % UNITS;
  return difference < UNITS / 2 ? difference : difference - UNITS;
}
