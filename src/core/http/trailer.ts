/**
 * Fields that never stand in a trailer (RFC 9110 section 6.5.1, RFC 7230 section 4.1.2): merged
 * into a head they would restore what a proxy has removed, or checked, there.
 */
const NEVER = new Set([
  "age",
  "authentication-info",
  "authorization",
  "cache-control",
  "connection",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "expect",
  "expires",
  "forwarded",
  "host",
  "keep-alive",
  "location",
  "max-forwards",
  "origin",
  "pragma",
  "range",
  "referer",
  "retry-after",
  "set-cookie",
  "set-cookie2",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "vary",
  "via",
  "warning",
  "www-authenticate",
]);

const NEVER_PREFIXES = ["proxy-", "if-", "x-forwarded-", "sec-", "access-control-"];

/** `named`: names of the head's Connection field, in lower case, which are refused as well. */
export function mayBeTrailer(name: string, named: ReadonlySet<string>): boolean {
  const lower = name.toLowerCase();
  return !NEVER.has(lower) && !named.has(lower) &&
    !NEVER_PREFIXES.some((prefix) => lower.startsWith(prefix));
}
