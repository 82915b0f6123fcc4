/** Encodes by RFC 4648 section 5, without padding. */
export function encodeBase64Url(bytes: Uint8Array): string {
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Decodes what `encodeBase64Url` writes; null = it is nothing of the kind. */
export function decodeBase64Url(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null;
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(plain, (char) => char.charCodeAt(0));
  return encodeBase64Url(bytes) === text ? bytes : null; // spare bits are zero
}
