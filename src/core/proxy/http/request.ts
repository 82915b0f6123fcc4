import { ProtocolError } from "../../../base/errors.ts";
import { type Framing, requestFraming } from "./body.ts";
import { HttpError } from "./error.ts";
import { valuesOf } from "./fields.ts";
import type { RequestHead } from "./head.ts";
import { REASONS } from "./reply.ts";
import { isPersistent, nextHopOf, requestForTarget, upgradeOf } from "./rewrite.ts";
import { splitUserinfo } from "./userinfo.ts";
import { parseAuthority, parseConnectTarget, type Target } from "../../../base/target.ts";

/** A request as the proxy understands it: whereto, and what to send there. */
export interface ProxyRequest {
  readonly method: string;
  /** HTTP/1.`minor` of the client. */
  readonly minor: 0 | 1;
  readonly target: Target;
  /** The head to send to the target, or null for CONNECT: then the client speaks to it itself. */
  readonly head: Uint8Array | null;
  readonly framing: Framing;
  /** Fields that the head's Connection names, in lower case. */
  readonly nextHop: ReadonlySet<string>;
  /** True if it asks to change to another protocol. */
  readonly upgrades: boolean;
  /** True if the client keeps its connection for another request. */
  readonly isPersistent: boolean;
  /**
   * True when it may be sent again where nobody knows if the first arrived. Any other one
   * never goes over a connection that has served a request before, and may be closing.
   */
  readonly isRepeatable: boolean;
}

/** Safe methods (RFC 9110 section 9.2.1); others change something, and are never sent twice. */
const SAFE = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** Methods that a proxy has to count the hops of (RFC 9110 section 7.6.2). */
const COUNTED = new Set(["TRACE", "OPTIONS"]);

/**
 * True when a head begins as a proxy's client begins one: with CONNECT, or an address with its
 * scheme. Whatever else comes may be a web page's whose name leads here (DNS rebinding): it is told
 * nothing that tells what program this is.
 */
export function isForProxy(head: string): boolean {
  return /^[\r\n]*(?:CONNECT |[^ \r\n]+ [a-z][a-z0-9+.-]*:\/\/)/i.test(head);
}

/**
 * Reads what a client asks of the proxy.
 * @throws {HttpError} 400, 501 with words for the client
 */
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
    isRepeatable: SAFE.has(head.method) && !hasBody && upgrade === null,
  };
}

/**
 * RFC 9110 section 9.3.6: what is behind the head is the tunnel's, whatever a Content-Length says
 * (some clients copy it from the request that they want the tunnel for).
 */
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

/**
 * `http://authority path`, where both a path and a query may be missing (RFC 9112 section 3.2.2). A
 * fragment is the client's own, and goes no further. `host`: the Host field.
 */
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

/** The client's own Authorization is better than what its address says. */
function withAuthorization(head: RequestHead, value: string | null): RequestHead {
  if (value === null || valuesOf(head.fields, "authorization").length > 0) return head;
  return { ...head, fields: [{ name: "Authorization", value }, ...head.fields] };
}

/** Takes one from Max-Forwards of TRACE and OPTIONS. @throws {HttpError} 501 at 0: not further */
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
