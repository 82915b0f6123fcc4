import { sha256 } from "@noble/hashes/sha2.js";
import { concat, utf8, writeU32 } from "../../../base/bytes.ts";

/**
 * Work that a machine without an invite does for its certificate: a number whose hash, with the nonce of
 * the connection and the machine's key, begins with so many zero bits. It holds for that connection and
 * that key alone, so that none can be kept or used twice.
 */
export const OPEN_BITS = 18;

/** More is refused: a gateway must not keep a machine busy for long. */
const MOST_BITS = 24;

const COUNTER_SIZE = 4;

/** Attempts after which other work gets its turn. */
const ATTEMPTS_A_TURN = 4096;

export function isWorkDone(
  work: Uint8Array,
  { nonce, publicKey }: { readonly nonce: Uint8Array; readonly publicKey: Uint8Array },
  bits = OPEN_BITS,
): boolean {
  return work.length === COUNTER_SIZE &&
    zeroBits(sha256(concat(beginOf(nonce, publicKey), work))) >= bits;
}

/** Searches for the work, and yields now and then; null = it asks for too much. */
export function* findWork(
  { nonce, publicKey }: { readonly nonce: Uint8Array; readonly publicKey: Uint8Array },
  bits: number,
): Generator<void, Uint8Array | null> {
  if (bits > MOST_BITS) return null;
  const begin = beginOf(nonce, publicKey);
  const text = concat(begin, new Uint8Array(COUNTER_SIZE));
  for (let counter = 0; counter < 2 ** 32; counter++) {
    if (counter % ATTEMPTS_A_TURN === ATTEMPTS_A_TURN - 1) yield;
    writeU32(text, begin.length, counter);
    if (zeroBits(sha256(text)) >= bits) return text.slice(begin.length);
  }
  return null;
}

/** Hashed first, so that each attempt is one block. */
function beginOf(nonce: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return sha256(concat(utf8("ttun mesh open enrolment\0"), nonce, publicKey));
}

function zeroBits(hash: Uint8Array): number {
  let bits = 0;
  for (const byte of hash) {
    bits += byte === 0 ? 8 : Math.clz32(byte) - 24;
    if (byte !== 0) break;
  }
  return bits;
}
