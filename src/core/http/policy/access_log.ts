import type { HttpRequest } from "../exchange.ts";
import { valuesOf } from "../fields.ts";

/** One exchange that is over, for the access log. */
export interface AccessEntry {
  readonly head: HttpRequest;
  readonly visitor: string;
  readonly requestId: string;
  /** `1.0`, `1.1`, `2` or `3`. */
  readonly version: string;
  /** Status of the response; 0 where the visitor got none. */
  readonly status: number;
  /** Bytes of the bodies. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Time of the request's head, in milliseconds since 1970. */
  readonly time: number;
  /** Milliseconds to the end of the exchange. */
  readonly duration: number;
  /** Name of the service; "" for none. */
  readonly service: string;
}

/**
 * A line in the format that web servers call combined, with the service, the exchange's milliseconds
 * and its ID behind. All that a visitor has chosen is escaped: a line is one line.
 */
export function accessLine(entry: AccessEntry): string {
  const { head, visitor, version, status, responseBytes, service, duration, requestId } = entry;
  const time = new Date(entry.time).toISOString();
  const first = `${head.method} ${head.path} HTTP/${version}`;
  const [referer, agent] = ["referer", "user-agent"].map((name) => quoted(fieldOf(head, name)));
  return `${visitor} - - [${time}] ${
    quoted(first)
  } ${status} ${responseBytes} ${referer} ${agent} ` +
    `${quoted(head.authority)} ${quoted(service)} ${Math.round(duration)} ${requestId}`;
}

/** Returns all of it as a line of JSON. */
export function accessJson(entry: AccessEntry): string {
  const { head } = entry;
  const text = JSON.stringify({
    time: new Date(entry.time).toISOString(),
    id: entry.requestId,
    visitor: entry.visitor,
    service: entry.service,
    host: head.authority,
    method: head.method,
    path: head.path,
    version: entry.version,
    status: entry.status,
    requestBytes: entry.requestBytes,
    responseBytes: entry.responseBytes,
    ms: Math.round(entry.duration),
    referer: fieldOf(head, "referer"),
    userAgent: fieldOf(head, "user-agent"),
  });
  // A terminal obeys these too, which JSON lets stand.
  return text.replace(/[\x7f-\x9f]/g, (char) => `\\u00${hex(char.charCodeAt(0))}`);
}

function fieldOf(head: HttpRequest, name: string): string {
  return valuesOf(head.fields, name)[0] ?? "";
}

/** Quotes a text; an empty one is `-`. */
function quoted(text: string): string {
  if (text === "") return '"-"';
  return `"${text.replace(/["\\]|[^\x20-\x7e]/g, (char) => `\\x${hex(char.charCodeAt(0))}`)}"`;
}

function hex(code: number): string {
  return code.toString(16).padStart(2, "0");
}
