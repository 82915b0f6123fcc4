import { type HostPort, parseHostPort, parseIp } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";

/** Defaults for the parts of an address that may be omitted. */
export interface AddressForm {
  /** Host for `PORT` and `:PORT`; absent = a host is required. "" = all addresses. */
  readonly host?: string;
  readonly port: number;
}

/**
 * An IPv6 address may lack brackets, but not with a port. If the form has a host, `PORT` and
 * `:PORT` will do, and `*` means all addresses.
 * @throws {TtunError} usage, with the right way to write it
 */
export function readAddress(text: string, form: AddressForm): HostPort {
  refuseForeign(text);
  const mayListen = form.host !== undefined;
  const bare = /^:?(\d+)$/.exec(text);
  if (bare !== null && mayListen) return { host: form.host, port: readPort(text, bare[1]!) };
  if (bare !== null) {
    throw unreadable(text, `the host is missing; write HOST:PORT, as example.net:${form.port}`);
  }
  if (isWholeIpv6(text)) return parseHostPort(`[${text}]:${form.port}`);
  if (!text.startsWith("[") && text.split(":").length > 2) {
    throw unreadable(text, "an IPv6 address with a port stands in brackets, as [::1]:20203");
  }
  const parts = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/s.exec(text);
  if (parts === null || parts[1] === "") return parseHostPort(text);
  const [, host, port] = parts;
  if (port === "") throw unreadable(text, `the port behind the colon is missing`);
  const number = port === undefined ? form.port : readPort(text, port);
  if (host === "*" && mayListen) return { host: "", port: number };
  return parseHostPort(`${host}:${number}`);
}

/** Refuses forms that only other programs take for an address. @throws {TtunError} usage */
export function refuseForeign(text: string): void {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[0];
  if (scheme !== undefined) {
    throw unreadable(text, `leave ${scheme} away; there is no URL, only a host and a port`);
  }
  if (text.includes("/")) throw unreadable(text, "leave the slash and what is behind it away");
  if (/\s/.test(text)) throw unreadable(text, "there is a blank in it");
  if (text.includes("@")) {
    throw unreadable(text, "leave the user before the @ away; who may connect is known by the key");
  }
}

/** Returns true for an IPv6 address, none of whose colons begins a port; a zone may follow. */
function isWholeIpv6(text: string): boolean {
  const [address, zone = ""] = text.split("%") as [string, string?];
  return address.includes(":") && !zone.includes(":") && parseIp(address) !== null;
}

function readPort(text: string, port: string): number {
  const number = /^\d{1,5}$/.test(port) ? Number(port) : NaN;
  if (number <= 65_535) return number;
  throw unreadable(text, "the port must be a number from 1 to 65535");
}

function unreadable(text: string, why: string): TtunError {
  return new TtunError("usage", `Cannot read address ${JSON.stringify(text)}: ${why}`);
}
