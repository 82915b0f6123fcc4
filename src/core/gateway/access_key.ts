import { decodeBase64Url, encodeBase64Url } from "../../base/base64url.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";

/** Bytes of chance in an access key. */
export const ACCESS_BYTES = 32;

const PREFIX = "ttun-access:";

/** Key of services that everybody may reach: both ends know it, so that the link needs no other kind. */
export const PUBLIC_ACCESS: Uint8Array = utf8(`${PREFIX}public`);

/** Returns the text of a key made of `ACCESS_BYTES` random bytes. */
export function formatAccessKey(random: Uint8Array): string {
  return `${PREFIX}${encodeBase64Url(random)}`;
}

/** Returns the key of the link (docs/wire/link-v2.md, psk). @throws {TtunError} usage */
export function readAccessKey(text: string): Uint8Array {
  const written = text.trim();
  const bytes = written.startsWith(PREFIX) ? decodeBase64Url(written.slice(PREFIX.length)) : null;
  if (bytes?.length === ACCESS_BYTES) return utf8(formatAccessKey(bytes));
  throw new TtunError(
    "usage",
    "Cannot use the access key: it is no key of ttun mesh access, whose one line begins with " +
      PREFIX,
  );
}

/** Label of an access key, which its owner knows it by: letters, digits, `.`, `_` and `-`. */
export function isAccessLabel(text: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,62}$/i.test(text);
}
