import { toHex } from "../../base/bytes.ts";
import { MADV_DONTNEED, openControlLibc } from "../../../ffi/linux/libc.ts";
import { check } from "../../../ffi/native.ts";
import { TtunError } from "../../base/errors.ts";
import { derive, SCRYPT } from "../../core/link/v2/secrets.ts";
import { SimdScrypt } from "../../io/crypto/simd_scrypt.ts";
import { isGranted } from "../platform/permissions.ts";

/** Node's default limit is below the memory for these parameters. */
const MAX_MEMORY = 64 << 20;

/** Takes a sixth of a second of this thread, or a third on another. */
export async function linkSecret(psk: Uint8Array): Promise<Uint8Array> {
  return await bySimd(psk) ?? await byNode(psk);
}

/**
 * Takes half the time of `node:crypto`, but 96 MB, which can be wiped and given back at once on
 * Linux alone. Returns null elsewhere, and where that is too much.
 */
async function bySimd(psk: Uint8Array): Promise<Uint8Array | null> {
  if (Deno.build.os !== "linux" || !isGranted({ name: "ffi" })) return null;
  try {
    using libc = openControlLibc();
    const scrypt = new SimdScrypt(SCRYPT);
    const { memory } = scrypt;
    // The permission may be gone at the end.
    const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory));
    try {
      return await scrypt.derive(psk, SCRYPT.salt, SCRYPT.length);
    } finally {
      check("madvise", libc.madvise(address, BigInt(memory.length), MADV_DONTNEED));
    }
  } catch (error) {
    if (error instanceof RangeError || error instanceof WebAssembly.CompileError) return null;
    throw error;
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
