import { wordlist } from "@scure/bip39/wordlists/english.js";

const WORDS = 6;
const BITS = 11;

/** Returns the first 66 bits as six words of BIP 39's English list, joined by "-". */
export function wordsOf(bytes: Uint8Array): string {
  let bits = 0n;
  for (const byte of bytes.subarray(0, 9)) bits = bits << 8n | BigInt(byte);
  bits >>= 72n - BigInt(WORDS * BITS);
  const words = Array.from({ length: WORDS }, (_, i) => {
    const at = Number(bits >> BigInt(BITS * (WORDS - 1 - i)) & 2047n);
    return wordlist[at]!;
  });
  return words.join("-");
}
