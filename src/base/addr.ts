import { TtunError } from "./errors.ts";
import { checkZone, readZone, withoutZone, zoneOf } from "./zone.ts";

/** Where a stream ends: host (IP address or name) and port, or the path of a unix socket. */
export type Addr = HostPort | { readonly path: string };

/** A TCP endpoint: an IP address (a link-local one with its zone, zone.ts) or a name, and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface Cidr {
  readonly family: 4 | 6;
  readonly bytes: Uint8Array;
  readonly prefix: number;
}

export function formatAddr(addr: Addr): string {
  if ("path" in addr) return addr.path;
  return addr.host.includes(":") ? `[${addr.host}]:${addr.port}` : `${addr.host}:${addr.port}`;
}

/** @throws {TtunError} system, for the path of a unix socket */
export function requireHostPort(addr: Addr): HostPort {
  if ("path" in addr) throw new TtunError("system", "Cannot use a unix socket here");
  return addr;
}

/**
 * Reads `host:port` and `[v6]:port`, a link-local one with its zone; with `anyHost` also `:port`,
 * whose host is "". @throws {TtunError} usage
 */
export function parseHostPort(text: string, o: { anyHost?: boolean } = {}): HostPort {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = match === null ? NaN : Number(match[3]);
  const host = match?.[1] ?? match?.[2] ?? "";
  const v6 = match?.[1] === undefined ? null : readIpv6(text, match[1]);
  const hostIsRight = match?.[1] === undefined || v6 !== null;
  if (match === null || port > 65535 || !hostIsRight || (host === "" && o.anyHost !== true)) {
    const forms = o.anyHost === true
      ? ":port, host:port or [IPv6]:port"
      : "host:port or [IPv6]:port";
    throw new TtunError(
      "usage",
      `Cannot read address ${JSON.stringify(text)}: write it as ${forms}`,
    );
  }
  return { host: v6 ?? host, port };
}

/** Reads IPv6 without brackets, with its zone; null = none. @throws {TtunError} usage, of `text` */
export function readIpv6(text: string, host: string): string | null {
  const ip = parseIp(withoutZone(host));
  if (ip?.length !== 16) return null;
  const written = zoneOf(host);
  const zone = written === null ? null : readZone(written);
  checkZone(text, ip, zone);
  return zone === null ? host : `${withoutZone(host)}%${zone}`;
}

const DOT = 0x2e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** 4 or 16 bytes of an IPv4 or IPv6 address (RFC 4291 section 2.2); null where it is none. */
export function parseIp(text: string): Uint8Array | null {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

export function isIpAddress(host: string): boolean {
  return ipBytes(withoutZone(host)) !== null;
}

/** A connection's address is asked for again and again while it is set up. */
const KNOWN_MOST = 256;
const known = new Map<string, Uint8Array | null>();

/** Parses like `parseIp`; the bytes are shared, and must not be changed. */
export function ipBytes(text: string): Uint8Array | null {
  let bytes = known.get(text);
  if (bytes === undefined) {
    bytes = parseIp(text);
    if (known.size >= KNOWN_MOST) known.clear();
    known.set(text, bytes);
  }
  return bytes;
}

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/**
 * An IP address as the system writes it, shortest; `::ffff:192.0.2.1` as IPv4, since such packets
 * are IPv4. Names and addresses with a zone stay as they are.
 */
export function plainHost(host: string): string {
  const bytes = ipBytes(host);
  if (bytes === null) return host;
  const isMapped = bytes.length === 16 && MAPPED.every((byte, i) => bytes[i] === byte);
  return isMapped ? formatIpv4At(bytes, 12) : formatIp(bytes);
}

/** Without a leading zero, which some take for octal. */
function parseIpv4(text: string): Uint8Array | null {
  const bytes = new Uint8Array(4);
  let [part, value, digits] = [0, 0, 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (digits === 0 || part === 3) return null;
      bytes[part++] = value;
      value = digits = 0;
      continue;
    }
    if (code < DIGIT_0 || code > DIGIT_9 || (digits > 0 && value === 0)) return null;
    value = 10 * value + code - DIGIT_0;
    digits++;
    if (value > 255) return null;
  }
  if (digits === 0 || part !== 3) return null;
  bytes[3] = value;
  return bytes;
}

function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = groups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1]!, true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const bytes = new Uint8Array(16);
  [...head, ...new Array<number>(missing).fill(0), ...tail].forEach((group, i) => {
    bytes[2 * i] = group >>> 8;
    bytes[2 * i + 1] = group;
  });
  return bytes;
}

/** The 16-bit groups between colons; the last may be a dotted IPv4 address where `atEnd`. */
function groups(text: string, atEnd: boolean): number[] | null {
  if (text === "") return [];
  const found: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    const v4 = atEnd && i === parts.length - 1 && part.includes(".") ? parseIpv4(part) : null;
    if (v4 !== null) found.push((v4[0]! << 8) | v4[1]!, (v4[2]! << 8) | v4[3]!);
    else if (/^[0-9a-f]{1,4}$/i.test(part)) found.push(parseInt(part, 16));
    else return null;
  }
  return found;
}

export function formatIpv4At(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** The text of 4 or 16 address bytes, IPv6 in RFC 5952 form. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return formatIpv4At(bytes, 0);
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  let best = { at: 0, length: 0 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const hex = (from: number, to: number) =>
    groups.slice(from, to).map((g) => g.toString(16)).join(":");
  return best.length < 2 ? hex(0, 8) : `${hex(0, best.at)}::${hex(best.at + best.length, 8)}`;
}

/** Reads `address/prefix`; no prefix means /32 or /128. @throws {TtunError} usage */
export function parseCidr(text: string): Cidr {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const bytes = match === null ? null : parseIp(match[1]!);
  if (match === null || bytes === null) throw badCidr(text);
  const bits = bytes.length * 8;
  const prefix = match[2] === undefined ? bits : Number(match[2]);
  if (prefix > bits) throw badCidr(text);
  return { family: bytes.length === 4 ? 4 : 6, bytes, prefix };
}

function badCidr(text: string): TtunError {
  if (text.includes("%")) {
    const words = "leave the interface behind the % away; a network is none of an interface";
    return new TtunError("usage", `Cannot read ${JSON.stringify(text)}: ${words}`);
  }
  return new TtunError(
    "usage",
    `Cannot read ${
      JSON.stringify(text)
    }: write an IP address and prefix length, as 10.1.1.1/30 or fc11::1/126`,
  );
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp(cidr.bytes)}/${cidr.prefix}`;
}

/** Each of equal ones once, in the order of their first. */
export function withoutDoubles(cidrs: readonly Cidr[]): Cidr[] {
  return [...new Map(cidrs.map((one) => [formatCidr(one), one])).values()];
}

/** The network that the address lies in: all bits after the prefix are zero. */
export function networkOf({ family, bytes: given, prefix }: Cidr): Cidr {
  const bytes = given.map((byte, i) => {
    const kept = Math.max(0, Math.min(8, prefix - 8 * i));
    return byte & (0xff00 >>> kept) & 0xff;
  });
  return { family, bytes, prefix };
}
