import { HttpError } from "../../http/error.ts";

/** An authority (RFC 3986 section 3.2) in its two parts. */
export interface Authority {
  readonly hostPort: string;
  /** Value of an Authorization field (RFC 7617) for what stood before the host, or null. */
  readonly authorization: string | null;
}

/**
 * Takes user and password out of an `http://` authority, as clients do: they are for the target
 * alone, and stand in no request line and no log.
 * @throws {HttpError} 400 where two readers could come to different hosts, without the bytes
 */
export function splitUserinfo(authority: string): Authority {
  const at = authority.indexOf("@");
  if (at < 0) return { hostPort: authority, authorization: null };
  const userinfo = authority.slice(0, at);
  const hostPort = authority.slice(at + 1);
  // Browsers take `\` for `/`, the last `@` for the end, and brackets for an IPv6 address.
  if (/[\\[\]]/.test(userinfo) || hostPort.includes("@")) {
    throw new HttpError(400, "The address of the request could mean two hosts");
  }
  return { hostPort, authorization: basic(userinfo) };
}

function basic(userinfo: string): string | null {
  const colon = userinfo.indexOf(":");
  const user = percentDecoded(colon < 0 ? userinfo : userinfo.slice(0, colon));
  const password = colon < 0 ? "" : percentDecoded(userinfo.slice(colon + 1));
  const credentials = `${user}:${password}`;
  if (credentials === ":") return null;
  // deno-lint-ignore no-control-regex -- they are what is looked for (RFC 7617 section 2)
  if (/[\x00-\x1f\x7f]/.test(credentials)) {
    throw new HttpError(400, "The user or password of the address has a control character");
  }
  return `Basic ${btoa(credentials)}`;
}

/** Decodes to one byte a character; a `%` without two digits stays. */
function percentDecoded(text: string): string {
  return text.replace(
    /%([0-9a-f]{2})/gi,
    (_, hex: string) => String.fromCharCode(parseInt(hex, 16)),
  );
}
