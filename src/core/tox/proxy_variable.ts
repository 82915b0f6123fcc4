import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";

/** A proxy as libtoxcore knows them. */
export interface ToxProxyAddress extends HostPort {
  readonly kind: "http" | "socks5";
}

/**
 * Reads ALL_PROXY: `socks5://HOST:PORT` or `http://HOST:PORT`; `socks5h:` is the same, since Tox
 * asks a proxy for names. @throws {TtunError} usage: going on without the proxy would tell others
 * the address that it is to hide
 */
export function parseToxProxy(text: string): ToxProxyAddress {
  const [, scheme, bracketed, plain, port] =
    /^(socks5h?|http):\/\/(?:\[([0-9a-f:.]+)\]|([^\s:/@[\]]+)):(\d{1,5})\/?$/i.exec(text) ?? [];
  const number = Number(port);
  const host = bracketed ?? plain;
  if (scheme === undefined || host === undefined || !(number > 0 && number < 65_536)) {
    throw new TtunError(
      "usage",
      "Cannot use the proxy of ALL_PROXY: Tox takes socks5://HOST:PORT and http://HOST:PORT",
    );
  }
  return { kind: scheme.toLowerCase() === "http" ? "http" : "socks5", host, port: number };
}
