/**
 * Text of one byte a character (ISO 8859-1). Every byte survives the way there and back; the
 * platform's "latin1" decoder is windows-1252 and would change some.
 */
const AT_ONCE = 4096; // arguments of one call; engines refuse some ten thousands

export function fromLatin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += AT_ONCE) {
    const codes: ArrayLike<number> = bytes.subarray(at, at + AT_ONCE);
    text += String.fromCharCode.apply(null, codes as number[]); // a spread takes six times as long
  }
  return text;
}

const encoder = new TextEncoder();

/** @throws {RangeError} on a character above U+00FF */
export function toLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  // ASCII is the same in UTF-8, whose encoder is native; any other character takes more bytes.
  if (encoder.encodeInto(text, bytes).read === text.length) return bytes;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) throw new RangeError("Cannot write text: a character does not fit in a byte");
    bytes[i] = code;
  }
  return bytes;
}
