import { toHex } from "../../base/bytes.ts";
import { scrypt } from "node:crypto";
import { TtunError } from "../../base/errors.ts";
import { derive, SCRYPT } from "../../core/link/v2/secrets.ts";

/** Node's default limit is below the memory for these parameters. */
const MAX_MEMORY = 64 << 20;

/** Takes a quarter of a second on another thread. */
export async function linkSecret(psk: Uint8Array): Promise<Uint8Array> {
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
