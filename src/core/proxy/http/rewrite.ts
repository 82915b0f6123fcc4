import { type Field, isNamed } from "../../http/fields.ts";
import { FRAMING, withoutNextHop } from "../../http/http1/connection_fields.ts";
import type { RequestHead } from "../../http/http1/head.ts";
import { packHead } from "../../http/http1/pack_head.ts";
import type { ResponseHead } from "../../http/http1/response_head.ts";
import { formatTarget, type Target } from "../../../base/target.ts";

/**
 * Makes a request in origin-form (`path`; RFC 9112 section 3.2.1), with the target's own Host;
 * HTTP/1.0 if its client speaks that. `isLast`: the connection is not wanted for another.
 *
 * It adds no Via, despite RFC 9110 section 7.6.3: that would tell targets of the tunnel, and loops end
 * anyway, as a request that comes back is in origin-form, which is refused. Via fields of others stay.
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
