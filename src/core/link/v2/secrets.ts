import { blake2s } from "@noble/hashes/blake2.js";
import { concat, utf8, writeU16 } from "../../../base/bytes.ts";
import { blake2s as hash } from "../../cipher/blake2s.ts";

/** Keys are BLAKE2s-256 over inputs with lengths (docs/wire/link-v2.md, "Notation and secrets"). */
const PREFIX = utf8("ttun/v2 ");
const ZERO = new Uint8Array(1);

/** Labels as they are hashed, with what stands before and behind them: there are some dozens. */
const starts = new Map<string, Uint8Array>();

/** Returns `H(k, label, x1, …)`, 32 bytes; without a key where `k` is null. */
export function derive(
  k: Uint8Array | null,
  label: string,
  ...inputs: readonly Uint8Array[]
): Uint8Array {
  const start = startOf(label);
  let size = start.length;
  for (const input of inputs) size += 2 + input.length;
  const whole = new Uint8Array(size);
  whole.set(start);
  let at = start.length;
  for (const input of inputs) {
    writeU16(whole, at, input.length);
    whole.set(input, at + 2);
    at += 2 + input.length;
  }
  return hash(whole, k);
}

function startOf(label: string): Uint8Array {
  let start = starts.get(label);
  if (start === undefined) starts.set(label, start = concat(PREFIX, utf8(label), ZERO));
  return start;
}

/**
 * Returns `H(k, label, x)` for inputs of `size` bytes, at a fifth of the cost: what comes before them
 * is hashed once. The result is overwritten by the next call.
 */
export function prepareDerivation(
  k: Uint8Array,
  label: string,
  size: number,
): (input: Uint8Array) => Uint8Array {
  const length = new Uint8Array(2);
  writeU16(length, 0, size);
  const before = blake2s.create({ key: k }).update(concat(PREFIX, utf8(label), ZERO, length));
  const hash = before.clone();
  const out = new Uint8Array(hash.outputLen);
  return (input) => {
    before._cloneInto(hash);
    hash.update(input).digestInto(out);
    return out;
  };
}

/** Parameters of scrypt for S, the secret from the pre-shared key. Takes 64 MiB of memory. */
export const SCRYPT = { salt: utf8("ttun/v2"), N: 2 ** 15, r: 8, p: 3, length: 32 } as const;

/** Elliptic-curve operations from outside: the core has no randomness and no fast curve. */
export interface KeyExchange {
  /** Makes an X25519 key pair (RFC 7748). `shared` returns 32 bytes and wipes the private key. */
  newKeyPair(): { readonly publicKey: Uint8Array; shared(theirs: Uint8Array): Uint8Array };
}
