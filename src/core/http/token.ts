/** Tokens of RFC 9110 section 5.6.2, on texts of one byte a character. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const TOKEN_BYTES = Uint8Array.from(
  { length: 256 },
  (_, byte) => TOKEN.test(String.fromCharCode(byte)) ? 1 : 0,
);

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

export function isTokenByte(byte: number): boolean {
  return TOKEN_BYTES[byte] === 1;
}

/** Returns true for bytes of a value: visible, space, tab, and 80 (hex) and above. */
export function isValueByte(byte: number): boolean {
  return byte === 0x09 || (byte >= 0x20 && byte !== 0x7f);
}
