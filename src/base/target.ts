import { formatAddr, formatIp, ipBytes, parseIp } from "./addr.ts";
import { ProtocolError } from "./errors.ts";

/**
 * A proxy's target: a canonical IP address (RFC 5952, no brackets) or a name in lower case, so that
 * equal targets have equal texts. Only the functions below make one.
 */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** Where a forwarded connection ends: a target, or the path of a unix socket on that machine. */
export type ForwardTarget = Target | { readonly path: string };

/** All that the length byte of SOCKS5 can say; DNS has names of up to 253 (RFC 1035 section 3.1). */
export const MAX_NAME = 255;

/** Labels of letters, digits, `-` and `_` (services and containers have it), and a dot at the end. */
const NAME = /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?$/;

/** `1`, `127.1`, `0x7f.1`: resolvers read an address in what looks like a name. */
const ENDS_IN_NUMBER = /(^|\.)([0-9]+|0x[0-9a-f]*)\.?$/;

/** Makes a target of a name or an IP address without brackets. @throws {ProtocolError} */
export function makeTarget(host: string, port: number): Target {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new ProtocolError("Cannot connect: the port is not a number from 1 to 65535");
  }
  const ip = ipBytes(host);
  if (ip !== null) return { host: ip.length === 4 ? host : formatIp(ip), port }; // IPv4 has one text
  const name = host.toLowerCase();
  if (!isName(name)) throw new ProtocolError(`Cannot connect: ${hostFault(host)}`);
  return { host: name, port };
}

/** True when text in lower case is a host name that nothing can take for an address. */
export function isName(text: string): boolean {
  return text.length <= MAX_NAME && NAME.test(text) && !ENDS_IN_NUMBER.test(text);
}

const ZONE = "an IPv6 address with a zone has no meaning on another machine";

/**
 * Says why a host that is neither a name nor an IP address cannot be a target's. It does not quote
 * the host, which may hold any bytes.
 */
export function hostFault(host: string): string {
  if (host === "") return "there is no host";
  if (host.length > MAX_NAME) return `the host name is longer than ${MAX_NAME} bytes`;
  if (host.includes("%")) return ZONE;
  if (/[\u0080-\uffff]/.test(host)) {
    return "the host name is not ASCII; write it in its xn-- form (punycode)";
  }
  return "the host is neither a name nor an IP address";
}

/** Reads `host:port` or `[IPv6]:port`: the last colon begins the port. @throws {ProtocolError} */
export function parseConnectTarget(text: string): Target {
  const { host, digits } = bareIpv6(text) ?? bracketsOrName(text);
  if (digits === "") throw new ProtocolError("Cannot connect: the target has no port");
  return makeTarget(host, Number(digits));
}

/**
 * Reads a URI's authority without user information (RFC 3986 section 3.2); `defaultPort`: where no
 * digits are. The last group of IPv6 without brackets may be a port: `host`, the Host field,
 * decides where it has either address in brackets; else it is one where an address precedes it.
 * @throws {ProtocolError}
 */
export function parseAuthority(
  text: string,
  { defaultPort, host: field }: { defaultPort: number; host: string },
): Target {
  const bare = bareIpv6(text);
  if (isIpv6(text)) {
    const named = NAMED_IPV6.exec(field);
    const isNamed = named !== null && isSameIp(named[1]!, text);
    if (isNamed) return makeTarget(text, Number(named[2] || defaultPort));
    if (bare === null) return makeTarget(text, defaultPort);
  }
  const { host, digits } = bare ?? bracketsOrName(text);
  return makeTarget(host, digits === "" ? defaultPort : Number(digits));
}

/** The value of a Host field that is an IPv6 address: `[IPv6]` or `[IPv6]:port`. */
const NAMED_IPV6 = /^\[([^[\]]*)\](?::([0-9]{0,5}))?$/;

interface HostAndDigits {
  readonly host: string;
  readonly digits: string;
}

function bracketsOrName(text: string): HostAndDigits {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*))(?::([0-9]{0,5}))?$/.exec(text);
  if (match === null) {
    throw new ProtocolError("Cannot connect: the target is not written as host:port");
  }
  const bracketed = match[1];
  if (bracketed?.includes("%") === true) throw new ProtocolError(`Cannot connect: ${ZONE}`);
  if (bracketed !== undefined && !isIpv6(bracketed)) {
    throw new ProtocolError("Cannot connect: what stands in brackets is not an IPv6 address");
  }
  return { host: bracketed ?? match[2]!, digits: match[3] ?? "" };
}

/** Splits an IPv6 address without brackets and what may be a port; null = it is no such text. */
function bareIpv6(text: string): HostAndDigits | null {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, Math.max(0, colon));
  const digits = text.slice(colon + 1);
  return /^[0-9]{0,5}$/.test(digits) && isIpv6(host) ? { host, digits } : null;
}

/** The address of a name that is an IPv6 address in brackets, as some clients of SOCKS write it. */
export function withoutBrackets(name: string): string {
  const inner = name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1) : "";
  return isIpv6(inner) ? inner : name;
}

function isIpv6(text: string): boolean {
  return parseIp(text)?.length === 16;
}

function isSameIp(a: string, b: string): boolean {
  const [left, right] = [parseIp(a), parseIp(b)];
  return left !== null && right !== null && formatIp(left) === formatIp(right);
}

export function formatTarget(target: ForwardTarget): string {
  return formatAddr(target);
}

export function sameTarget(a: Target, b: Target): boolean {
  return a.host === b.host && a.port === b.port;
}

export function targetText(target: ForwardTarget | null): string {
  return target === null ? "none" : formatTarget(target);
}
