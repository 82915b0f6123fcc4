/**
 * tt's frames a second time, from docs/wire/tt-v1.md alone: slow, whole messages, other primitives than
 * the product's, nothing shared with it. What both agree on is the wire format.
 */
import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
} from "node:crypto";
import type { CipherName } from "../../src/contract/cipher.ts";

const TAG = { authTagLength: 16 };

export interface TwinKeys {
  cipher: CipherName;
  k: Uint8Array;
  x: Uint8Array;
}

/** OTP, K and X of a password and a minute. */
export function twinKeys(cipher: CipherName, password: string, minute: number) {
  const hotpKey = createHash("sha256").update(password).digest();
  const counter = new Uint8Array(8);
  for (let i = 7, rest = minute; i >= 0; i--, rest = Math.floor(rest / 256)) counter[i] = rest;
  const mac = createHmac("sha1", hotpKey).update(counter).digest();
  const otp = mac.readUInt32BE(mac[19]! % 16) % 2 ** 31 % 1_000_000;
  const hash = (salt: string) =>
    new Uint8Array(createHash("sha256").update(`${password}${salt}${otp}`).digest());
  return { cipher, otp, k: hash("ThE=TuNnEL+SaLt-[];',/"), x: hash("SaLT.fOr/SiZe+=Xor-") };
}

/** One frame with the random bytes `r`. */
export function twinSeal({ cipher, k, x }: TwinKeys, r: Uint8Array, text: Uint8Array): Uint8Array {
  const nonce = r.slice(0, 12);
  const aead = createCipheriv(cipher as CipherGCMTypes, k, nonce, TAG);
  aead.setAAD(k.slice(0, 8), { plaintextLength: text.length });
  const sealed = [...aead.update(text), ...aead.final()];
  return new Uint8Array([
    r.length ^ x[r[0]! % 32]!,
    ...r,
    Math.floor(text.length / 256) ^ x[r[0]! % 32]!,
    text.length % 256 ^ x[r[1]! % 32]!,
    ...aead.getAuthTag(),
    ...sealed,
  ]);
}

/**
 * Decodes by section 2.3, without its panics, which count as failures. `ends`: a frame
 * without a text is one (7).
 */
export function twinDecode(
  { cipher, k, x }: TwinKeys,
  bytes: Uint8Array,
  ends = false,
): { text: Uint8Array; used: number } | "more" | "fail" {
  const n = bytes.length;
  if (n < 2) return "more";
  const rs = bytes[0]! ^ x[bytes[1]! % 32]!;
  if (rs < 12) return "fail";
  if (n < 3 + rs) return "more";
  const l = 256 * (bytes[1 + rs]! ^ x[bytes[1]! % 32]!) + (bytes[2 + rs]! ^ x[bytes[2]! % 32]!);
  if (l === 0 && !ends) return "fail";
  const used = 19 + rs + l;
  if (n < used) return "more";
  const nonce = bytes.slice(1, 13);
  const aead = createDecipheriv(cipher as CipherGCMTypes, k, nonce, TAG);
  aead.setAAD(k.slice(0, 8), { plaintextLength: l });
  aead.setAuthTag(bytes.slice(3 + rs, 19 + rs));
  const text = aead.update(bytes.slice(19 + rs, used));
  try {
    aead.final();
  } catch {
    return "fail";
  }
  return { text: new Uint8Array(text), used };
}
