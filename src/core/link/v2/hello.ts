import { concat, constantTimeEqual, readU32, writeU32 } from "../../../base/bytes.ts";
import { derive } from "./secrets.ts";

/**
 * The first 16 bytes each way (docs/wire/link-v2.md, "Hello"), in the place of version 1's nonces:
 *
 *     r (8) random | e (4) = x XOR mask | t (4) tag     x = p (u8) | unix seconds / 4 (u24)
 *
 * Only who knows S can tell them from random bytes.
 */
export const HELLO_SIZE = 16;

/** Random bytes that may follow the client's hello: at most what a byte can count. */
export const MAX_HELLO_PADDING = 255;

/** A clock may be this far off, in units of 4 s. */
const STALE_AFTER = 30;
const UNITS = 0x100_0000;

/** Milliseconds since 1970 as units of 4 s modulo 2^24. */
export function timeUnits(unixMs: number): number {
  return Math.floor(unixMs / 4000) % UNITS;
}

/** What a right hello says. */
export interface Hello {
  /** How many random bytes follow. */
  readonly padding: number;
  /** By how much the sender's clock is ahead of ours, in seconds. */
  readonly skewSeconds: number;
  readonly isStale: boolean;
}

/** The client's hello; `random` = 8 bytes that were never used before. */
export function clientHello(
  s: Uint8Array,
  random: Uint8Array,
  padding: number,
  unixMs: number,
): Uint8Array {
  return makeHello(s, "c", [random], random, padding, unixMs);
}

/** The server's answer to that hello; it never has padding. */
export function serverHello(
  s: Uint8Array,
  theirs: Uint8Array,
  random: Uint8Array,
  unixMs: number,
): Uint8Array {
  return makeHello(s, "s", [theirs, random], random, 0, unixMs);
}

/** What a client's 16 bytes say, or null when they are not of a client with S and version 2. */
export function readClientHello(s: Uint8Array, hello: Uint8Array, unixMs: number): Hello | null {
  return readHello(s, "c", [hello.subarray(0, 8)], hello, unixMs);
}

/** What a server's 16 bytes say in answer to `mine`, or null as above. */
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

/** Over what masks the time and over e: `r || e`, behind the client's hello where the server speaks. */
function tag(s: Uint8Array, side: Side, context: Uint8Array[], hello: Uint8Array): Uint8Array {
  const own = concat(hello.subarray(0, 12));
  const inputs = side === "c" ? [own] : [context[0]!, own];
  return derive(s, `hello ${side}`, ...inputs).subarray(0, 4);
}

function signedDifference(a: number, b: number): number {
  const difference = (a - b + UNITS) % UNITS;
  return difference < UNITS / 2 ? difference : difference - UNITS;
}
