import { formatAddr } from "../../base/addr.ts";
import type { TlsAddress } from "../../io/tls/tls_end.ts";
import { readAddress } from "../command/address_args.ts";
import {
  formatParameters,
  parametersOf,
  splitUrl,
  unreadable,
  type WrittenUrl,
} from "./url_parameters.ts";

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
  const url: WrittenUrl = { scheme: "tls", rest, form: FORMS.server };
  const { authority, query } = splitUrl(url);
  const known = parametersOf(url, query, ["ca", "name", "pin", "alpn"]);
  const at = readAddress(authority, { port: TLS_PORT });
  if (at.port === 0) throw unreadable(url, "nothing listens on port 0");
  const { ca = null, name = null } = known;
  const pin = known.pin === undefined ? null : known.pin.replaceAll(":", "").toLowerCase();
  if (pin !== null && !/^[0-9a-f]{64}$/.test(pin)) {
    throw unreadable(url, "pin= is the SHA-256 of the certificate: 64 hexadecimal digits");
  }
  if (pin !== null && (ca !== null || name !== null)) {
    throw unreadable(url, "with pin= nothing else of the certificate is verified: leave the rest");
  }
  return { ...at, tls: { ca, name, pin, alpn: readProtocols(url, known.alpn) } };
}

/** Reads what stands behind `tls:` in a listener's URL. @throws {TtunError} usage */
export function readTlsListen(rest: string): TlsAddress {
  const url: WrittenUrl = { scheme: "tls", rest, form: FORMS.listen };
  const { authority, query } = splitUrl(url);
  const { alpn, cert, key } = parametersOf(url, query, ["cert", "key", "alpn"]);
  if (cert === undefined || key === undefined) {
    throw unreadable(url, "the certificate is missing: two PEM files, ?cert=FILE&key=FILE");
  }
  const tls = { cert, key, alpn: readProtocols(url, alpn) };
  return { ...readAddress(authority, { host: "", port: TLS_PORT }), tls };
}

/** Names of ALPN are 1 to 255 bytes of any kind (RFC 7301 section 3.1); all that are in use are ASCII. */
function readProtocols(url: WrittenUrl, text: string | undefined): string[] {
  const names = text?.split(",") ?? [];
  if (!names.every((name) => /^[!-~]{1,255}$/.test(name))) {
    throw unreadable(
      url,
      "alpn= has names of 1 to 255 letters, digits or signs, with commas between",
    );
  }
  if (names.length > MOST_PROTOCOLS) {
    throw unreadable(url, `alpn= has more than ${MOST_PROTOCOLS} names`);
  }
  if (new Set(names).size < names.length) throw unreadable(url, "alpn= has one name twice");
  return names;
}

export function formatTlsAddress({ host, port, tls }: TlsAddress): string {
  return `tls://${formatAddr({ host, port })}${formatParameters(tls)}`;
}
