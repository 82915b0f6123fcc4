import { utf8 } from "../../base/bytes.ts";

/**
 * Key of the links between two ends of ttun tox: their secret. Without one a link proves no more than
 * Tox does, and has keys of its own all the same.
 */
export function linkKey(secret: string | null): Uint8Array {
  return utf8(secret ?? "ttun tox without a secret");
}
