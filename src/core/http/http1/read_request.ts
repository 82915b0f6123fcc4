import { AUTHORITY, isPath } from "../check_fields.ts";
import { HttpError } from "../error.ts";
import type { HttpRequest } from "../exchange.ts";
import { type Field, listOf, valuesOf } from "../fields.ts";
import { type Framing, requestFraming } from "./body.ts";
import { isPersistent, nextHopOf, upgradeOf, withoutNextHop } from "./connection_fields.ts";
import type { RequestHead } from "./head.ts";

export interface ReadRequest {
  readonly head: HttpRequest;
  readonly framing: Framing;
  readonly minor: 0 | 1;
  /** The client would send another request on this connection. */
  readonly isPersistent: boolean;
  /** It waits for 100 before it sends its body. */
  readonly expectsContinue: boolean;
  /** Names in the head's Connection field, in lower case. */
  readonly nextHop: ReadonlySet<string>;
}

const ABSOLUTE = /^https?:\/\/([^/?#]*)([^#]*)$/i;

/**
 * Reads a request to an origin server (RFC 9112 sections 3 and 6), and refuses what another reader
 * could read in another way.
 * @throws {HttpError} 400, 417, 501
 */
export function readOriginRequest(head: RequestHead, scheme: "http" | "https"): ReadRequest {
  const framing = requestFraming(head);
  if (framing.kind === "chunked" && listOf(head.fields, "transfer-encoding").length > 1) {
    throw new HttpError(501, "The request has a Transfer-Encoding other than chunked");
  }
  const { authority, path } = targetOf(head, hostOf(head));
  const hasBody = framing.kind === "chunked" || (framing.kind === "length" && framing.length > 0);
  const isConnect = head.method === "CONNECT";
  if (isConnect && framing.kind !== "none") {
    throw new HttpError(400, "A CONNECT request has no body");
  }
  const expects = head.minor === 0 ? [] : listOf(head.fields, "expect");
  if (expects.some((what) => what !== "100-continue")) {
    throw new HttpError(417, "The request expects what nobody here can do");
  }
  return {
    head: {
      method: head.method,
      scheme,
      authority,
      path,
      fields: fieldsOf(head),
      hasBody,
      upgrade: hasBody || isConnect ? null : upgradeOf(head),
    },
    framing,
    minor: head.minor,
    // RFC 9112 section 9.3: no proxy keeps a connection with a client of HTTP/1.0.
    isPersistent: head.minor === 1 && isPersistent(head),
    expectsContinue: hasBody && expects.length > 0,
    nextHop: nextHopOf(head),
  };
}

function hostOf(head: RequestHead): string {
  const hosts = valuesOf(head.fields, "host");
  if (hosts.length > 1) throw new HttpError(400, "The request has more than one Host field");
  const host = hosts[0] ?? "";
  if (host === "" && head.minor === 1) throw new HttpError(400, "The request names no host");
  if (host !== "" && !AUTHORITY.test(host)) throw new HttpError(400, "The Host field is no host");
  return host;
}

function targetOf(head: RequestHead, host: string): { authority: string; path: string } {
  const { method, target } = head;
  if (method === "CONNECT") {
    if (AUTHORITY.test(target) && /:[0-9]+$/.test(target)) return { authority: target, path: "" };
  } else if (isPath(target, method)) {
    return { authority: host, path: target };
  } else {
    return absoluteTarget(target, host);
  }
  throw badTarget();
}

/** Takes the URI's host in place of the Host field, which must say no other. */
function absoluteTarget(target: string, host: string): { authority: string; path: string } {
  const [, authority, rest] = ABSOLUTE.exec(target) ?? [];
  if (authority === undefined || !AUTHORITY.test(authority)) throw badTarget();
  if (host !== "" && host.toLowerCase() !== authority.toLowerCase()) {
    throw new HttpError(400, "The request's address and its Host field name two hosts");
  }
  return { authority, path: rest!.startsWith("/") ? rest! : `/${rest!}` };
}

function badTarget(): HttpError {
  return new HttpError(400, "The request's target is no path");
}

/** Fields without those of the connection, the host and the framing, but for `TE: trailers`. */
function fieldsOf(head: RequestHead): Field[] {
  const fields = withoutNextHop(head.fields).filter(({ name }) => {
    const lower = name.toLowerCase();
    return lower !== "host" && lower !== "transfer-encoding" &&
      (head.minor === 1 || lower !== "expect");
  });
  const takesTrailers = head.minor === 1 && listOf(head.fields, "te").includes("trailers");
  return takesTrailers ? [...fields, { name: "TE", value: "trailers" }] : fields;
}
