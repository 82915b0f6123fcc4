import { renderUnicodeCompact } from "uqr";

/** Returns a text as a QR code of characters. */
export function qrCode(text: string): string {
  return renderUnicodeCompact(text, { border: 2 });
}
