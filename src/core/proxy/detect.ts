import { isTokenByte } from "../http/token.ts";

const LF = 0x0a;
const CR = 0x0d;

export type ProxyProtocol = "socks4" | "socks5" | "http";

/**
 * Tells a protocol by its first byte, for one port to serve all: a version of SOCKS, a character of
 * an HTTP method (RFC 9110 section 9.1), or of an empty line before it (RFC 9112 section 2.2). null
 * = neither, such as TLS (0x16): close without a word.
 */
export function protocolOf(firstByte: number): ProxyProtocol | null {
  if (firstByte === 4) return "socks4";
  if (firstByte === 5) return "socks5";
  return isTokenByte(firstByte) || firstByte === CR || firstByte === LF ? "http" : null;
}
