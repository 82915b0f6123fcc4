import { Buffer } from "node:buffer";
import { fchmodSync, fstatSync } from "node:fs";
import type { RunContext } from "../command/context.ts";
import { printPlain } from "../output/log_writer.ts";
import { print } from "../output/stdout.ts";

const KEY_BYTES = 32;

const STDOUT = 1;

/**
 * `ttun genkey`: prints a new key, 43 characters that need no quotes anywhere. A file that standard
 * output goes to is made its owner's alone first: only such a one is taken for a key file.
 */
export async function runGenkey({ signal }: Pick<RunContext, "signal">): Promise<number> {
  if (!closeToOthers(STDOUT)) {
    printPlain("ttun: Others may read the file that the key is written to: run chmod 600 on it");
  }
  await print(`${makeKey()}\n`, signal);
  return 0;
}

/** False where an ordinary file stays open to other users. */
function closeToOthers(fd: number): boolean {
  if (Deno.build.os === "windows") return true; // modes say nothing there
  try {
    const info = fstatSync(fd);
    if (!info.isFile() || (info.mode & 0o077) === 0) return true;
  } catch {
    return true; // standard output is closed: there is no file
  }
  try {
    fchmodSync(fd, 0o600);
    return true;
  } catch {
    return false; // it is another user's file
  }
}

/** 32 random bytes in base64url without padding (RFC 4648 section 5). */
export function makeKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  // Uint8Array's own toBase64 is newer than the runtimes that a file may be compiled with.
  return Buffer.from(bytes).toString("base64url");
}
