import { ProtocolError } from "../../../base/errors.ts";
import { type Framing, requestFraming } from "../../http/http1/body.ts";
import { HttpError } from "../../http/error.ts";
import { valuesOf } from "../../http/fields.ts";
import type { RequestHead } from "../../http/http1/head.ts";
import { SAFE_METHODS } from "../../http/methods.ts";
import { REASONS } from "../../http/reasons.ts";
import { isPersistent, nextHopOf, upgradeOf } from "../../http/http1/connection_fields.ts";
import { requestForTarget } from "./rewrite.ts";
import { splitUserinfo } from "./userinfo.ts";
import { parseAuthority, parseConnectTarget, type Target } from "../../../base/target.ts";

export interface ProxyRequest {
  readonly method: string;
  readonly minor: 0 | 1;
  readonly target: Target;
  /** Head for the target, or null for CONNECT: then the client speaks to it itself. */
  readonly head: Uint8Array | null;
  readonly framing: Framing;
  /** Names in the head's Connection field, in lower case. */
  readonly nextHop: ReadonlySet<string>;
  readonly upgrades: boolean;
  readonly isPersistent: boolean;
  /** True if it may be sent twice; others never go over a used connection, which may be closing. */
  readonly isRepeatable: boolean;
}

/** Methods whose hops a proxy counts (RFC 9110 section 7.6.2). */
const COUNTED = new Set(["TRACE", "OPTIONS"]);

/**
 * Returns true for CONNECT, and for an address with its scheme. Others may come from a web page
 * whose name leads here (DNS rebinding): they are told nothing that tells what program this is.
 */
export function isForProxy(head: string): boolean {
  return /^[\r\n]*(?:CONNECT |[^ \r\n]+ [a-z][a-z0-9+.-]*:\/\/)/i.test(head);
}

/** Reads a request. @throws {HttpError} 400, 501 with words for the client */
export function readRequest(head: RequestHead): ProxyRequest {
  const framing = requestFraming(head);
  const hosts = valuesOf(head.fields, "host");
  if (hosts.length > 1) throw new HttpError(400, "The request has more than one Host field");
  if (head.method === "CONNECT") return connectRequest(head, framing);
  const { target, path, authorization } = readAbsoluteForm(head, hosts[0] ?? "");
  const upgrade = upgradeOf(head);
  const hasBody = framing.kind === "chunked" || (framing.kind === "length" && framing.length > 0);
  const forTarget = withAuthorization(countedHop(head), authorization);
  // RFC 9112 section 9.3: no proxy keeps a connection with a client of HTTP/1.0.
  const persists = head.minor === 1 && isPersistent(head);
  return {
    method: head.method,
    minor: head.minor,
    target,
    head: requestForTarget(forTarget, { target, path, upgrade, isLast: !persists }),
    framing,
    nextHop: nextHopOf(head),
    upgrades: upgrade !== null,
    isPersistent: persists,
    isRepeatable: SAFE_METHODS.has(head.method) && !hasBody && upgrade === null,
  };
}

/** Ignores Content-Length: all bytes behind are the tunnel's (RFC 9110 section 9.3.6). */
function connectRequest(head: RequestHead, framing: Framing): ProxyRequest {
  if (framing.kind === "chunked") throw new HttpError(400, "A CONNECT request has no body");
  return {
    method: head.method,
    minor: head.minor,
    target: readTarget(() => parseConnectTarget(head.target)),
    head: null,
    framing: { kind: "none" },
    nextHop: nextHopOf(head),
    upgrades: false,
    isPersistent: false,
    isRepeatable: false,
  };
}

interface AbsoluteForm {
  readonly target: Target;
  readonly path: string;
  readonly authorization: string | null;
}

/** Reads a URI whose path and query may be missing (RFC 9112 section 3.2.2), without fragment. */
function readAbsoluteForm(head: RequestHead, host: string): AbsoluteForm {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^#]*)(.*)$/i.exec(head.target);
  if (match === null) throw new HttpError(400, REASONS[400]!);
  const scheme = match[1]!.toLowerCase();
  if (scheme !== "http") {
    throw new HttpError(
      501,
      scheme === "https"
        ? "This proxy does not speak TLS for its clients: use CONNECT for https:// addresses"
        : "This proxy serves http:// addresses, and CONNECT for everything else",
    );
  }
  const rest = match[3]!;
  if (rest === "" && match[4]!.includes("@")) {
    throw new HttpError(400, "The address of the request could mean two hosts");
  }
  const { hostPort, authorization } = splitUserinfo(match[2]!);
  // Section 3.2.4: only OPTIONS can mean the server itself.
  const path = rest === "" && head.method === "OPTIONS" ? "*" : rest;
  return {
    target: readTarget(() => parseAuthority(hostPort, { defaultPort: 80, host })),
    path: path === "*" || path.startsWith("/") ? path : `/${path}`,
    authorization,
  };
}

function readTarget(read: () => Target): Target {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new HttpError(400, error.message);
  }
}

/** Adds Authorization unless the client has sent its own. */
function withAuthorization(head: RequestHead, value: string | null): RequestHead {
  if (value === null || valuesOf(head.fields, "authorization").length > 0) return head;
  return { ...head, fields: [{ name: "Authorization", value }, ...head.fields] };
}

/** Takes one from Max-Forwards. @throws {HttpError} 501 at 0: it goes no further */
function countedHop(head: RequestHead): RequestHead {
  if (!COUNTED.has(head.method)) return head;
  const fields = head.fields.map((field) => {
    if (field.name.toLowerCase() !== "max-forwards" || !/^[0-9]{1,9}$/.test(field.value)) {
      return field;
    }
    if (Number(field.value) === 0) {
      throw new HttpError(501, `This proxy answers no ${head.method} itself (Max-Forwards is 0)`);
    }
    return { name: field.name, value: String(Number(field.value) - 1) };
  });
  return { ...head, fields };
}
