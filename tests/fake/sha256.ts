import { sha256 as noble } from "@noble/hashes/sha2.js";
import type { MakeDigest } from "../../src/contract/digest.ts";

export const sha256: MakeDigest = () => {
  const hash = noble.create();
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
};
