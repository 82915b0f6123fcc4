import { AUTHORITY, checkFields, isPath } from "../check_fields.ts";
import { HttpError } from "../error.ts";
import type { HttpRequest } from "../exchange.ts";
import { type Field, valuesOf } from "../fields.ts";
import type { TableEntry } from "../hpack/dynamic_table.ts";
import { isToken } from "../token.ts";
import { mayBeTrailer } from "../trailer.ts";

export interface RequestOptions {
  /** The request ends with its head. */
  readonly isEnd: boolean;
  readonly scheme: "http" | "https";
  /** Makes the value of Sec-WebSocket-Key, which websockets over HTTP/2 have not. */
  readonly websocketKey: () => string;
}

const PSEUDO = new Set([":method", ":scheme", ":authority", ":path", ":protocol"]);
const NO_NAMES: ReadonlySet<string> = new Set();

/**
 * Reads a request of HTTP/2 or 3 (RFC 9113 section 8.3), and refuses what could be read in another way
 * when it is written as HTTP/1.1. A websocket (RFC 8441) becomes an upgrade.
 * @throws {HttpError} 400, 501
 */
export function readStreamRequest(list: readonly TableEntry[], o: RequestOptions): HttpRequest {
  const { pseudo, fields } = split(list);
  const method = pseudo.get(":method");
  if (method === undefined || !isToken(method)) throw bad("it has no method");
  const protocol = pseudo.get(":protocol");
  if (method === "CONNECT" && protocol === undefined) return connectRequest(pseudo, fields, o);
  const path = pseudo.get(":path");
  if (pseudo.get(":scheme") === undefined || path === undefined) throw bad("it has no address");
  if (protocol !== undefined && method !== "CONNECT") throw bad("only CONNECT has a protocol");
  const authority = authorityOf(pseudo, fields);
  if (!isPath(path, protocol === undefined ? method : "GET")) throw bad("its path is none");
  const rest = withoutHost(withOneCookie(fields));
  checkFields(rest);
  checkLength(rest, o.isEnd);
  const common = { scheme: o.scheme, authority, path };
  if (protocol === undefined) {
    return { ...common, method, fields: rest, hasBody: !o.isEnd, upgrade: null };
  }
  if (protocol !== "websocket") throw new HttpError(501, "Only websockets can be tunnelled");
  // A service that does not upgrade would take the next request on its connection for the body.
  const kept = rest.filter(({ name }) => name !== "content-length");
  const key = { name: "Sec-WebSocket-Key", value: o.websocketKey() };
  return { ...common, method: "GET", fields: [...kept, key], hasBody: false, upgrade: protocol };
}

/** Reads a trailer, without what must not stand there. @throws {HttpError} 400 */
export function readStreamTrailers(list: readonly TableEntry[]): Field[] {
  const { pseudo, fields } = split(list);
  if (pseudo.size > 0) throw bad("its trailer has a pseudo-field");
  return fields.filter(({ name }) => mayBeTrailer(name, NO_NAMES));
}

function split(list: readonly TableEntry[]): { pseudo: Map<string, string>; fields: Field[] } {
  const pseudo = new Map<string, string>();
  const fields: Field[] = [];
  for (const entry of list) {
    const { name, value, isValid } = entry;
    if (!isValid) throw bad("a field has a character that none may have");
    if (name.charCodeAt(0) !== 0x3a) {
      if (name === "te" && value.toLowerCase() !== "trailers") throw bad("its TE is not trailers");
      fields.push(entry);
      continue;
    }
    if (!PSEUDO.has(name) || pseudo.has(name) || fields.length > 0) {
      throw bad("a pseudo-field is unknown, doubled or late");
    }
    pseudo.set(name, value);
  }
  return { pseudo, fields };
}

function connectRequest(
  pseudo: ReadonlyMap<string, string>,
  fields: readonly Field[],
  o: RequestOptions,
): HttpRequest {
  const authority = pseudo.get(":authority") ?? "";
  if (pseudo.has(":path") || pseudo.has(":scheme") || !/:[0-9]+$/.test(authority)) {
    throw bad("CONNECT has a host and a port alone");
  }
  if (!AUTHORITY.test(authority)) throw bad("its host is none");
  const rest = withoutHost(fields).filter(({ name }) => name !== "content-length");
  checkFields(rest);
  return {
    method: "CONNECT",
    scheme: o.scheme,
    authority,
    path: "",
    fields: rest,
    hasBody: false,
    upgrade: null,
  };
}

/** Takes `:authority`, or Host where there is none; both must say one thing. */
function authorityOf(pseudo: ReadonlyMap<string, string>, fields: readonly Field[]): string {
  const hosts = valuesOf(fields, "host");
  const authority = pseudo.get(":authority") ?? hosts[0] ?? "";
  if (!AUTHORITY.test(authority)) throw bad("its host is none");
  if (hosts.some((host) => host.toLowerCase() !== authority.toLowerCase()) || hosts.length > 1) {
    throw bad("it names two hosts");
  }
  return authority;
}

function withoutHost(fields: readonly Field[]): Field[] {
  return fields.filter(({ name }) => name !== "host");
}

/** Joins the crumbs of Cookie, which HTTP/1.1 has once (RFC 9113 section 8.2.3). */
function withOneCookie(fields: readonly Field[]): readonly Field[] {
  const crumbs = valuesOf(fields, "cookie");
  if (crumbs.length < 2) return fields;
  const first = fields.findIndex(({ name }) => name === "cookie");
  const whole = { name: "cookie", value: crumbs.join("; ") };
  return fields.flatMap((field, at) =>
    at === first ? [whole] : field.name === "cookie" ? [] : [field]
  );
}

function checkLength(fields: readonly Field[], isEnd: boolean): void {
  const [length] = valuesOf(fields, "content-length");
  if (isEnd && length !== undefined && Number(length) !== 0) throw bad("its body is missing");
}

function bad(what: string): HttpError {
  return new HttpError(400, `Cannot read the request: ${what}`);
}
