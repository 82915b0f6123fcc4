import { Buffer } from "node:buffer";

/** Base64 as most protocols write it, with + and / and padding. */
export function encode64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

export function decode64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}
