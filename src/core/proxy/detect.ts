import { isTokenByte } from "./http/token.ts";

const LF = 0x0a;
const CR = 0x0d;

/** Protocol of a proxy's client. */
export type ProxyProtocol = "socks4" | "socks5" | "http";

/**
 * Tells what a client speaks by its first byte, so that one port serves all: the version number of
 * SOCKS, or the first character of an HTTP method (a token, RFC 9110 section 9.1), or of an empty
 * line before it (RFC 9112 section 2.2). null = neither; the connection is then to be closed without
 * a word. TLS (0x16) is neither.
 */
export function protocolOf(firstByte: number): ProxyProtocol | null {
  if (firstByte === 4) return "socks4";
  if (firstByte === 5) return "socks5";
  return isTokenByte(firstByte) || firstByte === CR || firstByte === LF ? "http" : null;
}
