import { hmac } from "@noble/hashes/hmac.js";
import { sha1 } from "@noble/hashes/legacy.js";
import { readU32 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";

/** HOTP, one-time passwords from a counter (RFC 4226), with HMAC-SHA-1. */
const LAST_COUNTER = (1n << 64n) - 1n;

/** The size of an HMAC-SHA-1 in bytes. */
const MAC_SIZE = 20;

/** Returns the HOTP value below `modulus`: 10^d for d digits (section 5.3). */
export function hotp(key: Uint8Array, counter: number | bigint, modulus: number): number {
  return hotpBits(key, counter) % modulus;
}

/** Returns `DT(HMAC-SHA-1(key, counter))`, 31 bits (section 5.3). */
export function hotpBits(key: Uint8Array, counter: number | bigint): number {
  return dynamicTruncation(hmac(sha1, key, counterBytes(counter)));
}

/** Returns 31 bits of a MAC (section 5.3). @throws {TtunError} `internal` unless it has 20 bytes */
export function dynamicTruncation(mac: Uint8Array): number {
  if (mac.length !== MAC_SIZE) {
    throw new TtunError("internal", `Cannot truncate a MAC of ${mac.length} bytes: it has 20`);
  }
  return readU32(mac, mac[MAC_SIZE - 1]! & 0x0f) & 0x7fff_ffff;
}

/** Returns the counter's 8 bytes, high-order first (section 5.1). */
function counterBytes(counter: number | bigint): Uint8Array {
  const isOne = typeof counter === "bigint"
    ? counter >= 0n && counter <= LAST_COUNTER
    : Number.isSafeInteger(counter) && counter >= 0;
  if (!isOne) throw new TtunError("internal", `Cannot use ${counter} as a counter of 64 bits`);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(counter));
  return bytes;
}
