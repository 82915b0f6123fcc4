/**
 * Version 1 a second time, from docs/wire/ttun-v1.md alone: slow, whole messages, other primitives than
 * the product's, nothing shared with it. What both agree on is the wire format.
 */
import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHash } from "node:crypto";
import type { CipherName } from "../../src/contract/cipher.ts";

const TAG = { authTagLength: 16 };

export const TWIN_MAGIC = new Uint8Array([0x54, 0x54, 0x55, 0x4e, 0x2f, 0x76, 0x31, 0]);

export function twinKey(psk: string): Uint8Array {
  return digest("ttun/psk/v1", new TextEncoder().encode(psk));
}

export function twinSessionKey(k: Uint8Array, nc: Uint8Array, ns: Uint8Array): Uint8Array {
  return digest("ttun/sk/v1", k, nc, ns);
}

/** dir || 00 00 00 || counter */
function nonceOf(direction: 0 | 1, counter: bigint): Uint8Array {
  const nonce = new Uint8Array(12);
  nonce[0] = direction;
  for (let i = 0; i < 8; i++) nonce[11 - i] = Number((counter >> BigInt(8 * i)) & 0xffn);
  return nonce;
}

export interface TwinFrame {
  cipher: CipherName;
  sk: Uint8Array;
  direction: 0 | 1;
  counter: bigint;
}

export function twinSeal(f: TwinFrame, text: Uint8Array): Uint8Array {
  const nonce = nonceOf(f.direction, f.counter);
  const record = createCipheriv(f.cipher as CipherGCMTypes, f.sk, nonce, TAG);
  const body = [...record.update(text), ...record.final(), ...record.getAuthTag()];
  return new Uint8Array([body.length >> 8, body.length & 0xff, ...body]);
}

/** The text of one whole frame. @throws {Error} on a wrong tag or length */
export function twinOpen(f: TwinFrame, frame: Uint8Array): Uint8Array {
  const n = frame[0]! * 256 + frame[1]!;
  if (frame.length !== 2 + n || n < 16) throw new Error(`n is ${n} of ${frame.length} bytes`);
  const nonce = nonceOf(f.direction, f.counter);
  const record = createDecipheriv(f.cipher as CipherGCMTypes, f.sk, nonce, TAG);
  record.setAuthTag(frame.subarray(frame.length - 16));
  const text = record.update(frame.subarray(2, frame.length - 16));
  return new Uint8Array([...text, ...record.final()]);
}

function digest(label: string, ...parts: Uint8Array[]): Uint8Array {
  const hash = createHash("blake2s256").update(label);
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}
