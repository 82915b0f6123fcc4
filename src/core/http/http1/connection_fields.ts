import { type Field, listOf } from "../fields.ts";
import type { RequestHead } from "./head.ts";
import type { ResponseHead } from "./response_head.ts";

/** Fields for the next hop, which nobody passes on (RFC 9110 section 7.6). */
const FOR_NEXT_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "upgrade",
]);

/** Fields that stay even if Connection names them: the next reader must find the body's end. */
export const FRAMING = new Set(["content-length", "transfer-encoding"]);

/** Returns names of fields for the next hop only, in lower case. */
export function nextHopOf({ fields }: Pick<RequestHead, "fields">): ReadonlySet<string> {
  return new Set(listOf(fields, "connection"));
}

/** Returns fields without those for the next hop, and those that Connection names. */
export function withoutNextHop(fields: readonly Field[]): Field[] {
  const named = nextHopOf({ fields });
  return fields.filter((field) => {
    const name = field.name.toLowerCase();
    return FRAMING.has(name) || !(FOR_NEXT_HOP.has(name) || named.has(name));
  });
}

/** Returns Upgrade's protocols; not for HTTP/1.0 (RFC 9110 section 7.8), nor the obsolete h2c. */
export function upgradeOf(head: RequestHead | ResponseHead): string | null {
  const wanted = listOf(head.fields, "upgrade");
  const isNamed = listOf(head.fields, "connection").includes("upgrade");
  if (head.minor === 0 || !isNamed || wanted.length === 0 || wanted.includes("h2c")) return null;
  return head.fields.filter(({ name }) => name.toLowerCase() === "upgrade")
    .map(({ value }) => value).join(", ");
}

/** Returns true if the sender keeps the connection open (RFC 9112 section 9.3). */
export function isPersistent(head: RequestHead | ResponseHead): boolean {
  const options = listOf(head.fields, "connection");
  if (options.includes("close")) return false;
  return head.minor === 1 || options.includes("keep-alive");
}
