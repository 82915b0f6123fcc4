import { encodeBase64Url } from "../../../base/base64url.ts";
import type { Entry } from "../../../contract/mesh_store.ts";

/** An entry as JSON has it: the value is base64url. */
export function plainEntry({ key, value, version, expiresInMs }: Entry) {
  return {
    key,
    value: encodeBase64Url(value),
    version,
    ...(expiresInMs !== undefined && { expiresInMs: Math.ceil(expiresInMs) }),
  };
}
