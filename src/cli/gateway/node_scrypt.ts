import { scryptSync } from "node:crypto";
import type { Scrypt } from "../../core/gateway/password_hash.ts";

/** Scrypt (RFC 7914) of Node, which takes this thread for as long as it takes. */
export const nodeScrypt: Scrypt = (password, salt, { logN, r, p }, length) => {
  const N = 2 ** logN;
  // Twice what the algorithm needs, as Node counts its own work along.
  return scryptSync(password, salt, length, { N, r, p, maxmem: 256 * N * r * p });
};
