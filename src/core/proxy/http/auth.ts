import { toLatin1 } from "../../../base/latin1.ts";
import { type Field, valuesOf } from "../../http/fields.ts";
import type { CheckPassword } from "../socks/socks5_server.ts";

export const BASIC_CHALLENGE: Field = {
  name: "Proxy-Authenticate",
  value: 'Basic realm="proxy", charset="UTF-8"',
};

const COLON = 0x3a;

/** Checks user and password by Basic (RFC 7617). */
export function isAuthorized(fields: readonly Field[], auth: CheckPassword): boolean {
  const values = valuesOf(fields, "proxy-authorization");
  const match = values.length === 1 ? /^basic +([a-z0-9+/]+={0,2})$/i.exec(values[0]!) : null;
  const bytes = match === null ? null : decodeBase64(match[1]!);
  const colon = bytes?.indexOf(COLON) ?? -1;
  return bytes !== null && colon >= 0 && auth(bytes.subarray(0, colon), bytes.subarray(colon + 1));
}

/** Returns null for what is not base64 (RFC 4648 section 4). */
function decodeBase64(text: string): Uint8Array | null {
  try {
    return toLatin1(atob(text));
  } catch {
    return null;
  }
}
