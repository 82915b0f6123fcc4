import { Buffer } from "node:buffer";
import { fchmodSync, fstatSync } from "node:fs";
import type { RunContext } from "../command/context.ts";
import { printPlain } from "../output/log_writer.ts";
import { print } from "../output/stdout.ts";

const KEY_BYTES = 32;

const STDOUT = 1;

/**
 * Prints a key that needs no quotes. A file as standard output first becomes its owner's alone,
 * since only such a file is accepted as a key file.
 */
export async function runGenkey({ signal }: Pick<RunContext, "signal">): Promise<number> {
  if (!closeToOthers(STDOUT)) {
    printPlain("ttun: Others may read the file that the key is written to: run chmod 600 on it");
  }
  await print(`${makeKey()}\n`, signal);
  return 0;
}

/** Returns false if a regular file remains accessible to other users. */
function closeToOthers(fd: number): boolean {
  if (Deno.build.os === "windows") return true; // modes mean nothing there
  try {
    const info = fstatSync(fd);
    if (!info.isFile() || (info.mode & 0o077) === 0) return true;
  } catch {
    return true; // standard output is closed, so there is no file
  }
  try {
    fchmodSync(fd, 0o600);
    return true;
  } catch {
    return false; // another user's file
  }
}

/** Returns 32 bytes in base64url without padding (RFC 4648 section 5). */
export function makeKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  // Older runtimes, for which ttun may be compiled, have no toBase64 of Uint8Array.
  return Buffer.from(bytes).toString("base64url");
}
