import { toLatin1 } from "../../../base/latin1.ts";
import { type Field, isNamed, listOf } from "./fields.ts";
import type { RequestHead } from "./head.ts";
import type { ResponseHead } from "./response_head.ts";
import { formatTarget, type Target } from "../../../base/target.ts";

/**
 * A proxy passes heads on without fields for the next hop (RFC 9110 section 7.6). Via is not added,
 * despite section 7.6.3: it would tell targets of the tunnel, and loops end anyway, as a request
 * that comes back is in origin-form, which is refused. Via fields of others stay.
 */
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
const FRAMING = new Set(["content-length", "transfer-encoding"]);

/** Returns names of fields for the next hop only, in lower case. */
export function nextHopOf({ fields }: Pick<RequestHead, "fields">): ReadonlySet<string> {
  return new Set(listOf(fields, "connection"));
}

function withoutNextHop(fields: readonly Field[]): Field[] {
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

/**
 * Makes a request in origin-form (`path`; RFC 9112 section 3.2.1), with the target's own Host;
 * HTTP/1.0 if its client speaks that. `isLast`: the connection is not wanted for another.
 */
export function requestForTarget(
  head: RequestHead,
  o: { target: Target; path: string; upgrade: string | null; isLast: boolean },
): Uint8Array {
  const host = o.target.port === 80
    ? formatTarget(o.target).slice(0, -":80".length)
    : formatTarget(o.target);
  const fields = withoutNextHop(head.fields)
    .filter((field) => !isNamed(field, "host"));
  return packHead(`${head.method} ${o.path} HTTP/1.${head.minor}`, [
    { name: "Host", value: host },
    ...fields,
    ...connection(o.isLast, o.upgrade),
  ]);
}

/** Makes a response in HTTP/1.`minor`. `isLast`: the connection ends behind it. */
export function responseForClient(
  head: ResponseHead,
  o: { minor: 0 | 1; upgrade: string | null; isLast: boolean },
): Uint8Array {
  const { status } = head;
  const hasNoBody = status < 200 || status === 204;
  const all = withoutNextHop(head.fields);
  const fields = hasNoBody ? all.filter(({ name }) => !FRAMING.has(name.toLowerCase())) : all;
  return packHead(`HTTP/1.${o.minor} ${status} ${head.reason}`, [
    ...fields,
    ...connection(o.isLast, o.upgrade),
  ]);
}

function connection(isLast: boolean, upgrade: string | null): Field[] {
  const options = [...(upgrade === null ? [] : ["Upgrade"]), ...(isLast ? ["close"] : [])];
  return [
    ...(upgrade === null ? [] : [{ name: "Upgrade", value: upgrade }]),
    ...(options.length === 0 ? [] : [{ name: "Connection", value: options.join(", ") }]),
  ];
}

/** Makes a head of texts of one byte a character. */
export function packHead(firstLine: string, fields: readonly Field[]): Uint8Array {
  const lines = fields.map(({ name, value }) => `${name}: ${value}\r\n`);
  return toLatin1(`${firstLine}\r\n${lines.join("")}\r\n`);
}
