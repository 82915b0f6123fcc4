import { constantTimeEqual } from "../../base/bytes.ts";
import type { Logger } from "../../base/log.ts";
import { denoKeyEnvironment, type KeyEnvironment } from "./key_environment.ts";
import type { ResolvedKey } from "./key_source.ts";
import { KEY, readOpenFile } from "./secret_file.ts";
import { defaultKeyFiles } from "./default_key.ts";

/**
 * Warns once. A tunnel's key is stretched by scrypt, a proxy's is hashed once: an attacker who
 * records the proxy can guess both at its price. An unreadable file does not match.
 */
export async function warnOfSharedKey(
  { source }: ResolvedKey,
  keys: readonly Uint8Array[],
  log: Logger,
  host: KeyEnvironment = denoKeyEnvironment,
): Promise<void> {
  const isShared = source === "default file" || await isDefault(keys, host);
  if (!isShared) return;
  log.warn(
    "The proxy's key is the one that ttun server and ttun client find by themselves: if a tunnel " +
      "uses it, guessing its key costs no more than guessing the proxy's, one SHA-256 a try; " +
      "ttun genkey makes another for the proxy, given by --key-file",
  );
}

async function isDefault(keys: readonly Uint8Array[], host: KeyEnvironment): Promise<boolean> {
  for (const path of defaultKeyFiles(host)) {
    const found = host.mayRead(path) && host.isFile(path) ? await read(path, host) : null;
    if (found === null) continue;
    if (keys.some((key) => constantTimeEqual(key, found))) return true;
  }
  return false;
}

async function read(path: string, host: KeyEnvironment): Promise<Uint8Array | null> {
  try {
    using file = await host.open(path, KEY.file);
    return file === undefined ? null : await readOpenFile(file, path, KEY, host);
  } catch {
    // A tunnel could not use another user's file either, or one without a key.
    return null;
  }
}
