const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** Encodes by RFC 4648 section 6 in small letters, without padding: what a DNS label may hold. */
export function encodeBase32(bytes: Uint8Array): string {
  let [text, bits, held] = ["", 0, 0];
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(held >>> (bits - 5)) & 31];
  }
  return bits === 0 ? text : text + ALPHABET[(held << (5 - bits)) & 31];
}

/** Decodes what `encodeBase32` writes; null = it is nothing of the kind. */
export function decodeBase32(text: string): Uint8Array | null {
  const bytes: number[] = [];
  let [bits, held] = [0, 0];
  for (const letter of text) {
    const value = ALPHABET.indexOf(letter);
    if (value === -1) return null;
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >>> bits) & 0xff);
  }
  const decoded = Uint8Array.from(bytes);
  return encodeBase32(decoded) === text ? decoded : null; // spare bits are zero
}
