import { toHex } from "../../base/bytes.ts";
import { opensslScrypt } from "../../../ffi/openssl/scrypt.ts";
import { TtunError } from "../../base/errors.ts";
import { derive, SCRYPT } from "../../core/link/v2/secrets.ts";
import { isGranted } from "../platform/permissions.ts";

/** Node's default limit is below the memory for these parameters. */
const MAX_MEMORY = 64 << 20;

/** Takes a quarter of a second on another thread; libcrypto's is the fastest. */
export async function linkSecret(psk: Uint8Array): Promise<Uint8Array> {
  return await byLibcrypto(psk) ?? await byNode(psk);
}

/** Returns null where there is no libcrypto, or none that does this. */
async function byLibcrypto(psk: Uint8Array): Promise<Uint8Array | null> {
  if (!isGranted({ name: "ffi" })) return null;
  try {
    return await opensslScrypt(psk, SCRYPT.salt, SCRYPT.length, { ...SCRYPT, most: MAX_MEMORY });
  } catch {
    // Not every machine has the library, and node:crypto needs none.
    return null;
  }
}

async function byNode(psk: Uint8Array): Promise<Uint8Array> {
  const { scrypt } = await import("node:crypto");
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const { salt, N, r, p, length } = SCRYPT;
  scrypt(psk, salt, length, { N, r, p, maxmem: MAX_MEMORY }, (error, key) => {
    if (error === null) resolve(new Uint8Array(key));
    else {reject(
        new TtunError("exhausted", "Cannot work out the key: too little memory", { cause: error }),
      );}
  });
  return await promise;
}

/** Reveals neither the server nor the key. */
export function serverToken(s: Uint8Array, server: string): string {
  return toHex(derive(s, "server", new TextEncoder().encode(server)).slice(0, 16));
}
