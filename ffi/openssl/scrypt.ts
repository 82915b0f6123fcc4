import { openLibrary } from "../library.ts";
import { LIBCRYPTO_NAMES } from "./libcrypto.ts";

const TABLE = {
  EVP_PBE_scrypt: {
    parameters: [
      "buffer", // password
      "usize",
      "buffer", // salt
      "usize",
      "u64", // N
      "u64", // r
      "u64", // p
      "u64", // most memory
      "buffer", // the key
      "usize",
    ],
    result: "i32",
    nonblocking: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;

export interface ScryptParameters {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/**
 * RFC 7914 by libcrypto, on another thread: faster than `node:crypto`, more than twice in older
 * versions of Deno. Wipes its memory. Returns null if the library refuses (FIPS mode, too little
 * memory).
 * @throws {TtunError} `system` if no libcrypto can be opened
 */
export async function opensslScrypt(
  password: Uint8Array,
  salt: Uint8Array,
  length: number,
  { N, r, p, most }: ScryptParameters & { readonly most: number },
): Promise<Uint8Array | null> {
  using library = openLibrary(LIBCRYPTO_NAMES, TABLE);
  // Another thread reads and writes these: small arrays would be in V8's heap, which moves them.
  const [secret, grain, key] = [fixed(password.length), fixed(salt.length), fixed(length)];
  secret.set(password);
  grain.set(salt);
  const done = await library.symbols.EVP_PBE_scrypt(
    secret,
    BigInt(secret.length),
    grain,
    BigInt(grain.length),
    BigInt(N),
    BigInt(r),
    BigInt(p),
    BigInt(most),
    key,
    BigInt(length),
  );
  secret.fill(0);
  grain.fill(0);
  return done === 1 ? key : null;
}

function fixed(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}
