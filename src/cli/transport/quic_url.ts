import { formatAddr } from "../../base/addr.ts";
import { decodeBase64Url } from "../../base/base64url.ts";
import type { QuicAddress } from "../../io/quic/quic_end.ts";
import { readAddress } from "../command/address_args.ts";
import { formatParameters, parametersOf, splitUrl, unreadable } from "./url_parameters.ts";

/** UDP's, of the same number as TCP's. */
const QUIC_PORT = 20203;

const FORMS = {
  server: "quic://HOST[:PORT][?cert=CERTIFICATE][&ca=FILE][&name=NAME]",
  listen: "quic://[HOST][:PORT][?cert=FILE&key=FILE]",
} as const;

/** Reads what stands behind `quic:` in a server's URL. @throws {TtunError} usage */
export function readQuicServer(rest: string): QuicAddress {
  const url = { scheme: "quic", rest, form: FORMS.server };
  const { authority, query } = splitUrl(url);
  const { ca = null, cert = null, name = null } = parametersOf(url, query, ["ca", "cert", "name"]);
  const at = readAddress(authority, { port: QUIC_PORT });
  if (at.port === 0) throw unreadable(url, "nothing listens on port 0");
  if (cert !== null && decodeBase64Url(cert) === null) {
    throw unreadable(url, "cert= is a certificate in base64url, as the server has printed it");
  }
  return { ...at, quic: { ca, cert, name } };
}

/** Reads what stands behind `quic:` in a listener's URL. @throws {TtunError} usage */
export function readQuicListen(rest: string): QuicAddress {
  const url = { scheme: "quic", rest, form: FORMS.listen };
  const { authority, query } = splitUrl(url);
  const { cert = null, key = null } = parametersOf(url, query, ["cert", "key"]);
  if ((cert === null) !== (key === null)) {
    throw unreadable(
      url,
      "cert= and key= are two PEM files that belong together; without both " +
        "the server makes a certificate of its own",
    );
  }
  const everywhere = { host: "", port: QUIC_PORT };
  const at = authority === "" ? everywhere : readAddress(authority, everywhere);
  return { ...at, quic: { cert, key } };
}

/** Leaves a client's certificate out, which is long, and of no use in a log. */
export function formatQuicAddress({ host, port, quic }: QuicAddress): string {
  const shown = "ca" in quic ? { ca: quic.ca, name: quic.name } : quic;
  return `quic://${formatAddr({ host, port })}${formatParameters(shown)}`;
}
