import { formatAddr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { TlsAddress } from "../../io/tls/tls_end.ts";
import { readAddress } from "../command/address_args.ts";

/** The port of HTTPS, which firewalls let pass. */
const TLS_PORT = 443;

/** More than anybody needs, and a hello that fits in a few packets. */
const MOST_PROTOCOLS = 16;

const FORMS = {
  server: "tls://HOST[:PORT][?ca=FILE][&name=NAME][&pin=SHA256][&alpn=NAME,…]",
  listen: "tls://[HOST]:PORT?cert=FILE&key=FILE[&alpn=NAME,…]",
} as const;

/** Reads what stands behind `tls:` in a server's URL. @throws {TtunError} usage */
export function readTlsServer(rest: string): TlsAddress {
  const { authority, query } = split(rest, "server");
  const known = parametersOf(rest, query, "server", ["ca", "name", "pin", "alpn"]);
  const at = readAddress(authority, { port: TLS_PORT });
  if (at.port === 0) throw unreadable(rest, "nothing listens on port 0");
  const { ca = null, name = null } = known;
  const pin = known.pin === undefined ? null : known.pin.replaceAll(":", "").toLowerCase();
  if (pin !== null && !/^[0-9a-f]{64}$/.test(pin)) {
    throw unreadable(rest, "pin= is the SHA-256 of the certificate: 64 hexadecimal digits");
  }
  if (pin !== null && (ca !== null || name !== null)) {
    throw unreadable(rest, "with pin= nothing else of the certificate is verified: leave the rest");
  }
  return { ...at, tls: { ca, name, pin, alpn: readProtocols(rest, known.alpn) } };
}

/** Reads what stands behind `tls:` in a listener's URL. @throws {TtunError} usage */
export function readTlsListen(rest: string): TlsAddress {
  const { authority, query } = split(rest, "listen");
  const { alpn, cert, key } = parametersOf(rest, query, "listen", ["cert", "key", "alpn"]);
  if (cert === undefined || key === undefined) {
    throw unreadable(rest, "the certificate is missing: two PEM files, ?cert=FILE&key=FILE");
  }
  const tls = { cert, key, alpn: readProtocols(rest, alpn) };
  return { ...readAddress(authority, { host: "", port: TLS_PORT }), tls };
}

/** Names of ALPN are 1 to 255 bytes of any kind (RFC 7301 section 3.1); all that are in use are ASCII. */
function readProtocols(rest: string, text: string | undefined): string[] {
  const names = text?.split(",") ?? [];
  if (!names.every((name) => /^[!-~]{1,255}$/.test(name))) {
    throw unreadable(
      rest,
      "alpn= has names of 1 to 255 letters, digits or signs, with commas between",
    );
  }
  if (names.length > MOST_PROTOCOLS) {
    throw unreadable(rest, `alpn= has more than ${MOST_PROTOCOLS} names`);
  }
  if (new Set(names).size < names.length) throw unreadable(rest, "alpn= has one name twice");
  return names;
}

export function formatTlsAddress({ host, port, tls }: TlsAddress): string {
  const parameters = Object.entries(tls).filter(([, value]) => value !== null && value.length > 0)
    .map(([name, value]) => `${name}=${encode(String(value))}`);
  const query = parameters.length === 0 ? "" : `?${parameters.join("&")}`;
  return `tls://${formatAddr({ host, port })}${query}`;
}

function split(rest: string, end: keyof typeof FORMS): { authority: string; query: string } {
  const [, authority, query = ""] = /^\/\/([^?#/]*)\/?(?:\?(.*))?$/s.exec(rest) ?? [];
  if (authority === undefined) throw unreadable(rest, `write ${FORMS[end]}`);
  return { authority, query };
}

function parametersOf<Name extends string>(
  rest: string,
  query: string,
  end: keyof typeof FORMS,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  const found: Partial<Record<Name, string>> = {};
  for (const part of query === "" ? [] : query.split("&")) {
    const [, name, value] = /^([a-z]+)=(.+)$/s.exec(part) ?? [];
    if (name === undefined || !isOneOf(name, names)) throw unreadable(rest, `write ${FORMS[end]}`);
    if (found[name] !== undefined) throw unreadable(rest, `${name}= stands there twice`);
    found[name] = decode(rest, value!);
  }
  return found;
}

function isOneOf<Name extends string>(name: string, names: readonly Name[]): name is Name {
  return (names as readonly string[]).includes(name);
}

/** Values may have any character, & and % as %26 and %25 (RFC 3986 section 2.1). */
function encode(value: string): string {
  return value.replace(/[%&]/g, (character) => encodeURIComponent(character));
}

function decode(rest: string, value: string): string {
  let text;
  try {
    text = decodeURIComponent(value);
  } catch {
    throw unreadable(rest, "a % stands for itself as %25");
  }
  if (text.includes("\0")) throw unreadable(rest, "there is a zero byte in it");
  return text;
}

function unreadable(rest: string, why: string): TtunError {
  return new TtunError("usage", `Cannot read ${JSON.stringify(`tls:${rest}`)}: ${why}`);
}
