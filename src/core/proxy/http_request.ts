import { ProtocolError } from "../../base/errors.ts";
import { type Framing, requestFraming } from "./http_body.ts";
import { HttpError } from "./http_error.ts";
import { valuesOf } from "./http_fields.ts";
import type { RequestHead } from "./http_head.ts";
import { isPersistent, requestForTarget, upgradeOf } from "./http_rewrite.ts";
import { parseAuthority, type Target } from "./target.ts";

/** A request as the proxy understands it: whereto, and what to send there. */
export interface ProxyRequest {
  readonly method: string;
  /** HTTP/1.`minor` of the client. */
  readonly minor: 0 | 1;
  readonly target: Target;
  /** The head to send to the target, or null for CONNECT: then the client speaks to it itself. */
  readonly head: Uint8Array | null;
  readonly framing: Framing;
  /** Whether it asks to change to another protocol. */
  readonly upgrades: boolean;
  /** Whether the client keeps its connection for another request. */
  readonly isPersistent: boolean;
  /** Whether it may be sent a second time where nobody knows if the first arrived. */
  readonly isRepeatable: boolean;
}

/** Safe methods (RFC 9110 section 9.2.1); others change something, and are never sent twice. */
const SAFE = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** Methods that a proxy has to count the hops of (RFC 9110 section 7.6.2). */
const COUNTED = new Set(["TRACE", "OPTIONS"]);

const NOT_A_PROXY_REQUEST = "This is an HTTP and SOCKS proxy of ttun, not a web server: " +
  "set it as the proxy of your program, and ask for whole http:// addresses";

/**
 * Reads what a client asks of the proxy.
 * @throws {HttpError} 400, 501 with words for the client
 */
export function readRequest(head: RequestHead): ProxyRequest {
  const framing = requestFraming(head);
  if (valuesOf(head.fields, "host").length > 1) {
    throw new HttpError(400, "The request has more than one Host field");
  }
  if (head.method === "CONNECT") return connectRequest(head, framing);
  const { target, path } = readAbsoluteForm(head);
  const upgrade = upgradeOf(head);
  // RFC 9112 section 9.3: no proxy keeps a connection with a client of HTTP/1.0.
  const persists = head.minor === 1 && isPersistent(head);
  return {
    method: head.method,
    minor: head.minor,
    target,
    head: requestForTarget(countedHop(head), { target, path, upgrade, isLast: !persists }),
    framing,
    upgrades: upgrade !== null,
    isPersistent: persists,
    isRepeatable: SAFE.has(head.method) && framing.kind === "none" && upgrade === null,
  };
}

function connectRequest(head: RequestHead, framing: Framing): ProxyRequest {
  if (framing.kind === "chunked" || (framing.kind === "length" && framing.length > 0)) {
    throw new HttpError(400, "A CONNECT request has no body");
  }
  return {
    method: head.method,
    minor: head.minor,
    target: readAuthority(head.target, null),
    head: null,
    framing: { kind: "none" },
    upgrades: false,
    isPersistent: false,
    isRepeatable: false,
  };
}

/** `http://authority path`, where both a path and a query may be missing (RFC 9112 section 3.2.2). */
function readAbsoluteForm(head: RequestHead): { target: Target; path: string } {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^#]*)(#?)/i.exec(head.target);
  if (match === null) throw new HttpError(400, NOT_A_PROXY_REQUEST);
  const scheme = match[1]!.toLowerCase();
  if (scheme !== "http") {
    throw new HttpError(
      501,
      scheme === "https"
        ? "This proxy does not speak TLS for its clients: use CONNECT for https:// addresses"
        : "This proxy serves http:// addresses, and CONNECT for everything else",
    );
  }
  if (match[4] !== "") throw new HttpError(400, "The address of the request has a fragment (#)");
  const authority = match[2]!;
  if (authority.includes("@")) {
    throw new HttpError(400, "The address of the request has a user or password before its host");
  }
  const rest = match[3]!;
  // Section 3.2.4: only OPTIONS can mean the server itself.
  const path = rest === "" && head.method === "OPTIONS" ? "*" : rest;
  return {
    target: readAuthority(authority, 80),
    path: path === "*" || path.startsWith("/") ? path : `/${path}`,
  };
}

function readAuthority(text: string, defaultPort: number | null): Target {
  try {
    return parseAuthority(text, defaultPort);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new HttpError(400, error.message);
  }
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
