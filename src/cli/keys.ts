import { Buffer } from "node:buffer";
import { print } from "./stdout.ts";

const KEY_BYTES = 32;

/** `ttun genkey`: prints a new key, 43 characters that need no quotes anywhere. */
export function runGenkey(): number {
  print(`${makeKey()}\n`);
  return 0;
}

/** 32 random bytes in base64url without padding (RFC 4648 section 5). */
export function makeKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  // Uint8Array's own toBase64 is newer than the runtimes that a file may be compiled with.
  return Buffer.from(bytes).toString("base64url");
}
