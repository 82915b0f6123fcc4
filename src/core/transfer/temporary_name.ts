import { toHex, utf8 } from "../../base/bytes.ts";
import type { MakeDigest } from "../../contract/digest.ts";

/** Beginning of the names of files that are not complete. */
export const TEMPORARY_PREFIX = ".ttun-part-";

/** Bytes of the digest in it. */
const SIZE = 16;

/** Returns the name of a file until it is complete: one for each name, so that it is found again. */
export function temporaryName(base: string, sha256: MakeDigest): string {
  const digest = sha256();
  digest.update(utf8(base));
  return TEMPORARY_PREFIX + toHex(digest.digest().subarray(0, SIZE));
}
