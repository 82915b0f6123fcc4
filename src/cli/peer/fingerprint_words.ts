import { wordsOf } from "./words.ts";

/** Returns the first 66 bits of a certificate's digest as six words (BIP 39's English list). */
export function fingerprintWords(digest: Uint8Array): string {
  return wordsOf(digest);
}
