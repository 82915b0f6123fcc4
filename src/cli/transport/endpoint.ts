import { formatAddr, type HostPort, isIpAddress } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { formatHopAddress, type HopAddress } from "../../core/hop/hop_address.ts";
import { TICKET_SCHEME, ticketName } from "../../core/ticket/ticket_text.ts";
import type { QuicAddress } from "../../io/quic/quic_end.ts";
import type { TlsAddress } from "../../io/tls/tls_end.ts";
import { formatQuicAddress } from "./quic_url.ts";
import { formatTlsAddress } from "./tls_url.ts";
import {
  DEFAULT_PORT,
  entryOf,
  readListenAddress,
  readServerAddress,
  type Scheme,
  TRANSPORTS,
} from "./table.ts";

/** An end that `-s` or `-l` names. It crosses to the data plane's Worker. */
export interface Endpoint {
  readonly scheme: Scheme;
  /** An address, a host whose ports hop, or a text that the transport alone reads. */
  readonly at: HostPort | HopAddress | string;
}

type End = "server" | "listen";

export const DEFAULT_LISTEN: Endpoint = { scheme: "tcp", at: { host: "", port: DEFAULT_PORT } };

/** Reads the server's URL, or `HOST[:PORT]`. @throws {TtunError} usage */
export function parseServer(text: string): Endpoint {
  return parseEndpoint(text, "server", readServerAddress);
}

/** Reads a listener's URL, or `[ADDRESS:]PORT`. @throws {TtunError} usage */
export function parseListen(text: string): Endpoint {
  return parseEndpoint(text, "listen", readListenAddress);
}

function parseEndpoint(text: string, end: End, readBare: (text: string) => HostPort): Endpoint {
  const [, written, rest = ""] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(text) ?? [];
  const scheme = written?.toLowerCase() ?? "";
  const isAuthority = rest.startsWith("//");
  if (!isScheme(scheme)) {
    if (isAuthority) throw unknownScheme(text, scheme, end);
    return { scheme: "tcp", at: readBare(text) };
  }
  // A host may be called tcp, and has a port then.
  if (scheme === "tcp" && !isAuthority) return { scheme, at: readBare(text) };
  const read = entryOf(scheme)[end];
  if (read === undefined) throw unknownScheme(text, scheme, end);
  return { scheme, at: read(rest) };
}

function isScheme(scheme: string): scheme is Scheme {
  return Object.hasOwn(TRANSPORTS, scheme);
}

function unknownScheme(text: string, scheme: string, end: End): TtunError {
  const option = end === "server" ? "-s" : "-l";
  return new TtunError(
    "usage",
    `Cannot use ${JSON.stringify(text)}: ${option} takes no ${scheme}: URL; write HOST:PORT or ${
      formsOf(end).join(", ")
    }`,
  );
}

/** Returns the forms of all URLs that `-s` or `-l` takes. */
export function formsOf(end: End): string[] {
  return schemesOf(end).map((scheme) => formOf(scheme, end));
}

/** Returns the beginnings of those URLs, up to what the user has to say. */
export function beginningsOf(end: End): string[] {
  return schemesOf(end).map((scheme) => /^[a-z]+:\/*/.exec(entryOf(scheme).form)![0]);
}

function formOf(scheme: Scheme, end: End): string {
  const { form, listenForm = form } = entryOf(scheme);
  return end === "listen" ? listenForm : form;
}

function schemesOf(end: End): Scheme[] {
  const all = Object.keys(TRANSPORTS) as Scheme[];
  return all.filter((scheme) => entryOf(scheme)[end] !== undefined);
}

/** Returns how logs and hooks name it: an address alone for TCP, a URL for all others. */
export function formatEndpoint({ scheme, at }: Endpoint): string {
  if (scheme === "ttun") return "ttun://…"; // it has a key in it
  if (scheme === "peer") return formatPeer(`${at}`);
  if (scheme === "tox") return packedName(`${at}`) ?? `tox:${at}`;
  if (scheme === "mesh") return packedName(`${at}`) ?? `mesh:${at}`;
  if (typeof at !== "string") {
    if ("range" in at) return formatHopAddress(at);
    if ("quic" in at) return formatQuicAddress(at as QuicAddress);
    if ("tls" in at) return formatTlsAddress(at as TlsAddress);
    return scheme === "udp" ? `udp://${formatAddr(at)}` : formatAddr(at);
  }
  const [beginning] = /^[a-z]+:(?:\/\/)?/.exec(entryOf(scheme).form)!;
  return `${beginning}${at}`;
}

/** A ticket has a key in it as well, and what is packed for a Worker has its name. */
function formatPeer(at: string): string {
  if (at === "" || at.startsWith("?")) return `${TICKET_SCHEME}${at}`;
  if (!at.startsWith("{")) return ticketName(at);
  return packedName(at) ?? TICKET_SCHEME;
}

/** Returns the name of what is packed for a Worker; null = it is not, or has none. */
function packedName(at: string): string | null {
  if (!at.startsWith("{")) return null;
  return (JSON.parse(at) as { readonly name?: string }).name ?? null;
}

/** Returns the address that is resolved and dialled; null if the transport has none. */
export function addressOf({ at }: Endpoint): HostPort | null {
  return typeof at === "string" || "range" in at ? null : at;
}

/** Returns the host whose ports hop; null for other transports. */
export function hopOf({ at }: Endpoint): HopAddress | null {
  return typeof at !== "string" && "range" in at ? at : null;
}

/** False where reaching this end takes no name service. */
export function mayNeedNames(endpoint: Endpoint): boolean {
  const host = hostOf(endpoint);
  const { scheme } = endpoint;
  // A ticket's --via, nodes of Tox and gateways of a mesh may have names.
  const isOthers = scheme === "peer" || scheme === "tox" || scheme === "mesh";
  return isOthers || host !== null && !isIpAddress(host);
}

/** Returns the host that is resolved; null if the transport has none. */
export function hostOf({ at }: Endpoint): string | null {
  return typeof at === "string" ? null : at.host;
}
