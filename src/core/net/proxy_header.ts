import { formatIp, type HostPort, parseIp, plainHost } from "../../base/addr.ts";
import { concat, fromHex, readU16, utf8 } from "../../base/bytes.ts";

/** A proxy's word about the connection that it passes on (PROXY protocol, versions 1 and 2). */
export interface ProxyHeader {
  /** Where that connection comes from; null = the proxy itself, or it cannot tell. */
  readonly source: HostPort | null;
}

/** How many bytes are missing at least: as many may be read without reading any that follow. */
export interface ProxyHeaderNeeds {
  readonly needs: number;
}

/** Bytes of the longest header that is read: addresses, and what a proxy adds to them. */
export const MAX_PROXY_HEADER = 2048;

const SIGNATURE = fromHex("0d0a0d0a000d0a515549540a");
const HEAD_2 = 16;
const [LOCAL, PROXY] = [0x20, 0x21];
/** Families with their transport, and bytes of the addresses and ports of both ends. */
const [UNSPECIFIED, TCP4, TCP6, UNIX] = [0x00, 0x11, 0x21, 0x31];
const SIZES: Readonly<Record<number, number>> = {
  [UNSPECIFIED]: 0,
  [TCP4]: 12,
  [TCP6]: 36,
  [UNIX]: 216,
};

/** Bytes of the longest line of version 1, and of the shortest. */
const [LONGEST_LINE, SHORTEST_LINE] = [107, "PROXY UNKNOWN\r\n".length];
const LINE = /^PROXY (?:UNKNOWN(?: [ -~]*)?|TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5}))\r\n$/;

/**
 * Reads the first bytes of a connection: call it with as many more as it needs, until it is whole.
 * "invalid" = there is no header.
 */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader | ProxyHeaderNeeds | "invalid" {
  const isBinary = bytes[0] === SIGNATURE[0];
  return isBinary ? readBinary(bytes) : readLine(bytes);
}

function readLine(bytes: Uint8Array): ProxyHeader | ProxyHeaderNeeds | "invalid" {
  const text = String.fromCharCode(...bytes.subarray(0, LONGEST_LINE + 1));
  const start = "PROXY ";
  if (!text.startsWith(start.slice(0, text.length))) return "invalid";
  if (bytes.length < SHORTEST_LINE) return { needs: SHORTEST_LINE - bytes.length };
  if (!text.includes("\n")) return text.length < LONGEST_LINE ? { needs: 1 } : "invalid";
  const [whole, family, from, to, fromPort, toPort] = LINE.exec(text) ?? [];
  if (whole === undefined || text.length > LONGEST_LINE) return "invalid";
  if (family === undefined) return { source: null };
  const size = family === "4" ? 4 : 16;
  const [ip, port] = [parseIp(from!), portOf(fromPort!)];
  const isRight = ip?.length === size && parseIp(to!)?.length === size && portOf(toPort!) !== null;
  return isRight && port !== null ? { source: { host: hostOf(ip), port } } : "invalid";
}

function readBinary(bytes: Uint8Array): ProxyHeader | ProxyHeaderNeeds | "invalid" {
  for (let i = 0; i < SIGNATURE.length && i < bytes.length; i++) {
    if (bytes[i] !== SIGNATURE[i]) return "invalid";
  }
  if (bytes.length < HEAD_2) return { needs: HEAD_2 - bytes.length };
  const [command, family, length] = [bytes[12]!, bytes[13]!, readU16(bytes, 14)];
  if (command !== LOCAL && command !== PROXY) return "invalid";
  const end = HEAD_2 + length;
  if (end > MAX_PROXY_HEADER || bytes.length > end) return "invalid";
  if (bytes.length < end) return { needs: end - bytes.length };
  if (command === LOCAL) return { source: null };
  const size = SIZES[family];
  if (size === undefined || length < size) return "invalid";
  if (family !== TCP4 && family !== TCP6) return { source: null };
  const ipSize = family === TCP4 ? 4 : 16;
  const ip = bytes.slice(HEAD_2, HEAD_2 + ipSize);
  return { source: { host: hostOf(ip), port: readU16(bytes, HEAD_2 + 2 * ipSize) } };
}

/** An IPv4 address stays one, also where the proxy writes it as IPv6. */
function hostOf(ip: Uint8Array): string {
  return plainHost(formatIp(ip));
}

function portOf(digits: string): number | null {
  const port = Number(digits);
  return port <= 65535 && (digits === "0" || !digits.startsWith("0")) ? port : null;
}

/** Both ends of a connection that is passed on. */
export interface ProxiedWay {
  readonly source: HostPort;
  readonly destination: HostPort;
}

/**
 * Writes a header. Where one of the ends has no IP address, or both are not of one family, nothing is
 * said of them.
 */
export function encodeProxyHeader(
  version: 1 | 2,
  { source, destination }: ProxiedWay,
): Uint8Array {
  const [from, to] = [parseIp(source.host), parseIp(destination.host)];
  const isKnown = from !== null && to !== null;
  // One family for both: IPv4 has its place in IPv6.
  const is4 = isKnown && from.length === 4 && to.length === 4;
  if (version === 1) {
    if (!isKnown) return utf8("PROXY UNKNOWN\r\n");
    const [a, b] = is4 ? [from, to] : [mapped(from), mapped(to)];
    const ends = `${formatIp(a)} ${formatIp(b)} ${source.port} ${destination.port}`;
    return utf8(`PROXY TCP${is4 ? 4 : 6} ${ends}\r\n`);
  }
  if (!isKnown) return concat(SIGNATURE, Uint8Array.of(LOCAL, UNSPECIFIED, 0, 0));
  const [family, size] = is4 ? [TCP4, 12] : [TCP6, 36];
  return concat(
    SIGNATURE,
    Uint8Array.of(PROXY, family, 0, size),
    ...(is4 ? [from, to] : [mapped(from), mapped(to)]),
    ...[source.port, destination.port].map((port) => Uint8Array.of(port >>> 8, port & 0xff)),
  );
}

function mapped(ip: Uint8Array): Uint8Array {
  return ip.length === 16 ? ip : concat(new Uint8Array(10), Uint8Array.of(0xff, 0xff), ip);
}
