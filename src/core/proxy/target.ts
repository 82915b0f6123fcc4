import { formatAddr, formatIp, ipBytes, parseIp } from "../../base/addr.ts";
import { ProtocolError } from "../../base/errors.ts";

/**
 * Where a proxy's client wants to go. `host` is an IP address in its one canonical text (RFC 5952,
 * no brackets) or a name in lower case, so that equal targets have equal texts. Made by
 * `makeTarget` or `parseAuthority` only.
 */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** All that the length byte of SOCKS5 can say; DNS has names of up to 253 (RFC 1035 section 3.1). */
export const MAX_NAME = 255;

/** Labels of letters, digits, `-` and `_` (services and containers have it), and a dot at the end. */
const NAME = /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?$/;

/** `1`, `127.1`, `0x7f.1`: resolvers read an address in what looks like a name. */
const ENDS_IN_NUMBER = /(^|\.)([0-9]+|0x[0-9a-f]*)\.?$/;

/**
 * Checks a host (a name, or an IP address without brackets) and a port of a request.
 * @throws {ProtocolError} on a host that is neither, and on a port other than 1 to 65535
 */
export function makeTarget(host: string, port: number): Target {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new ProtocolError("Cannot connect: the port is not a number from 1 to 65535");
  }
  const ip = ipBytes(host);
  if (ip !== null) return { host: ip.length === 4 ? host : formatIp(ip), port }; // IPv4 has one text
  const name = host.toLowerCase();
  if (!isName(name)) throw new ProtocolError(`Cannot connect: ${fault(host)}`);
  return { host: name, port };
}

/** Whether text in lower case is a host name that nothing can take for an address. */
export function isName(text: string): boolean {
  return text.length <= MAX_NAME && NAME.test(text) && !ENDS_IN_NUMBER.test(text);
}

/** What is wrong with the host, without its bytes: nobody knows what is in there. */
function fault(host: string): string {
  if (host === "") return "there is no host";
  if (host.length > MAX_NAME) return `the host name is longer than ${MAX_NAME} bytes`;
  if (host.includes("%")) return "an IPv6 address with a zone has no meaning on another machine";
  if (/[\u0080-\uffff]/.test(host)) {
    return "the host name is not ASCII; write it in its xn-- form (punycode)";
  }
  return "the host is neither a name nor an IP address";
}

/**
 * Reads `host:port` or `[IPv6]:port`, as a URI's authority without user information (RFC 3986
 * section 3.2). `defaultPort` holds where there is no port, or none behind the colon; null = there
 * must be one.
 * @throws {ProtocolError}
 */
export function parseAuthority(text: string, defaultPort: number | null): Target {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*))(?::([0-9]{0,5}))?$/.exec(text);
  if (match === null) {
    throw new ProtocolError("Cannot connect: the target is not written as host:port");
  }
  const digits = match[3] ?? "";
  if (digits === "" && defaultPort === null) {
    throw new ProtocolError("Cannot connect: the target has no port");
  }
  const bracketed = match[1];
  if (bracketed !== undefined && parseIp(bracketed)?.length !== 16) {
    throw new ProtocolError("Cannot connect: what stands in brackets is not an IPv6 address");
  }
  return makeTarget(bracketed ?? match[2]!, digits === "" ? defaultPort! : Number(digits));
}

/** `host:port`, an IPv6 host in brackets. */
export function formatTarget(target: Target): string {
  return formatAddr(target);
}

/** 4 or 16 bytes where the host is an address, null where it is a name. */
export function targetIp(target: Target): Uint8Array | null {
  return parseIp(target.host);
}

export function sameTarget(a: Target, b: Target): boolean {
  return a.host === b.host && a.port === b.port;
}
