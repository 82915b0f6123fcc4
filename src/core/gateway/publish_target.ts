import { TtunError } from "../../base/errors.ts";
import { type ForwardTarget, makeTarget } from "../../base/target.ts";
import { AUTHORITY } from "../http/check_fields.ts";
import { isRawTarget, type RawTarget, readRawTarget } from "./raw_target.ts";

/** Where an agent's requests are answered, or its visitors' connections go. */
export type PublishTarget = HttpService | FolderService | RawTarget;

/** A service that requests are passed on to. */
export interface HttpService {
  readonly kind: "http";
  readonly to: ForwardTarget;
  /** `h2c`: HTTP/2 without TLS, as services of gRPC speak it. */
  readonly scheme: "http" | "https" | "h2c";
  /** Host of the requests in place of the visitor's; null = that goes on. */
  readonly host: string | null;
  /** Of https. */
  readonly tls: TargetTls | null;
  /** Version of the PROXY header that each connection begins with; null = none. */
  readonly proxy: ProxyVersion | null;
}

export type ProxyVersion = 1 | 2;

/** A folder of this machine, whose files are sent. */
export interface FolderService {
  readonly kind: "folder";
  /** A relative one is seen from where ttun was called. */
  readonly path: string;
}

export interface TargetTls {
  /** PEM file of the authorities that are trusted; "" = the system's; null = nothing is verified. */
  readonly ca: string | null;
  /** Name or address that the certificate must be for. */
  readonly name: string;
}

/** Schemes of later versions, and of other programs: a target that is none must not look like one. */
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;

const PORTS = { http: 80, https: 443, h2c: 80 } as const;

const FORMS =
  "write 8080, HOST:PORT, unix:PATH, http://, https:// or h2c:// with HOST[:PORT], tcp:// or udp:// with HOST:PORT, or ./FOLDER";

/**
 * Reads where requests go: `8080` (of this machine), `HOST:PORT`, `unix:PATH`, or `http`, `https` or
 * `h2c` with `://HOST[:PORT]`, `?host=NAME` and `?proxy=v1|v2`; of https `?ca=FILE`, `?name=NAME` and
 * `?verify=no` as well; what raw_target.ts reads; or a folder, whose path begins with a slash, `./` or `../`.
 * @throws {TtunError} usage
 */
export function readPublishTarget(text: string): PublishTarget {
  const [whole = "", given = "http"] = SCHEME.exec(text) ?? [];
  if (/^(?:\/|\.{1,2}(?:\/|$))/.test(text) && !text.includes("\0")) {
    return { kind: "folder", path: text };
  }
  if (isRawTarget(text)) return readRawTarget(text);
  const scheme = given.toLowerCase();
  if (!isScheme(scheme)) throw unusable(text, `there is no ${scheme}:// here; ${FORMS}`);
  if (whole === "" && text.startsWith("unix:")) return unixTarget(text);
  const rest = text.slice(whole.length);
  if (/^\d+$/.test(rest) && whole === "") return plain(at(text, "127.0.0.1", Number(rest)));
  const [, host, digits, query] =
    /^(\[[^\]]*\]|[^:/?#@[\]]+)(?::(\d+))?\/?(?:\?([^#]*))?$/.exec(rest) ?? [];
  const isBare = whole === "" && (digits === undefined || query !== undefined);
  if (host === undefined || isBare) throw unusable(text, FORMS);
  const to = at(text, host.replace(/^\[(.*)\]$/, "$1"), Number(digits ?? PORTS[scheme]));
  return { ...plain(to), scheme, ...readQuery(text, scheme, to.host, query) };
}

function isScheme(text: string): text is keyof typeof PORTS {
  return Object.hasOwn(PORTS, text);
}

function plain(to: ForwardTarget): HttpService {
  return { kind: "http", to, scheme: "http", host: null, tls: null, proxy: null };
}

function readQuery(
  text: string,
  scheme: HttpService["scheme"],
  name: string,
  query = "",
): Pick<HttpService, "host" | "tls" | "proxy"> {
  const tls = scheme === "https" ? ["ca", "name", "verify"] : [];
  const known = new Set(["host", "proxy", ...tls]);
  const found = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(query)) {
    if (!known.has(key) || found.has(key) || value === "") {
      throw unusable(
        text,
        `${scheme}:// may have ${[...known].map((one) => `?${one}=`).join(", ")}`,
      );
    }
    found.set(key, value);
  }
  const host = found.get("host") ?? null;
  if (host !== null && !AUTHORITY.test(host)) throw unusable(text, "?host= is no host");
  const proxy = readProxy(text, found.get("proxy"));
  if (scheme !== "https") return { host, tls: null, proxy };
  const verify = found.get("verify");
  if (verify !== undefined && (verify !== "no" || found.has("ca") || found.has("name"))) {
    throw unusable(text, "?verify=no stands alone: then nothing of the certificate is verified");
  }
  const ca = verify === "no" ? null : found.get("ca") ?? "";
  return { host, tls: { ca, name: found.get("name") ?? name }, proxy };
}

function readProxy(text: string, given: string | undefined): ProxyVersion | null {
  if (given === undefined) return null;
  if (given === "v1") return 1;
  if (given === "v2") return 2;
  throw unusable(text, "?proxy= is v1 or v2");
}

function unixTarget(text: string): HttpService {
  const path = text.slice("unix:".length);
  if (path.startsWith("/") && !path.includes("\0")) return plain({ path });
  throw unusable(text, "write the whole path of the socket, as unix:/run/app.sock");
}

function at(text: string, host: string, port: number) {
  try {
    return makeTarget(host, port);
  } catch (error) {
    throw unusable(text, error instanceof Error ? error.message : String(error));
  }
}

function unusable(text: string, why: string): TtunError {
  return new TtunError("usage", `Cannot publish ${JSON.stringify(text)}: ${why}`);
}
