import { wordlist } from "@scure/bip39/wordlists/english.js";

const WORDS = 6;
const BITS = 11;

/** Returns the first 66 bits of a certificate's digest as six words (BIP 39's English list). */
export function fingerprintWords(digest: Uint8Array): string {
  let bits = 0n;
  for (const byte of digest.subarray(0, 9)) bits = bits << 8n | BigInt(byte);
  bits >>= 72n - BigInt(WORDS * BITS);
  const words = Array.from({ length: WORDS }, (_, i) => {
    const at = Number(bits >> BigInt(BITS * (WORDS - 1 - i)) & 2047n);
    return wordlist[at]!;
  });
  return words.join("-");
}
