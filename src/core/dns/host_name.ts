import { formatIp, parseIp } from "../../base/addr.ts";
import { NameError } from "../../base/errors.ts";
import { withoutZone, zoneOf } from "../../base/zone.ts";

export type HostForm =
  | { readonly kind: "address"; readonly address: string }
  | {
    readonly kind: "name";
    /** Name in lower case, without a dot at the end. */
    readonly name: string;
    /** A dot stood at the end: no domain of the search list goes behind the name. */
    readonly isAbsolute: boolean;
  };

/** Length of RFC 1035 section 3.1, without the root's own byte. */
const MOST_NAME = 253;
const LABELS = /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/;

/** Reads like getaddrinfo: `127.1` is an address, other scripts become xn--. @throws {NameError} */
export function readHost(text: string): HostForm {
  const address = readAddress(text) ?? parseOddIpv4(text);
  if (address !== null) return { kind: "address", address };
  const ascii = toAscii(text);
  const isAbsolute = ascii.endsWith(".");
  const name = isAbsolute ? ascii.slice(0, -1) : ascii;
  if (!isHostName(name)) {
    throw new NameError("invalid", `Cannot resolve ${quoted(text)}: ${why(name)}`);
  }
  return { kind: "name", name, isAbsolute };
}

/** Returns an IP address's one text, with the zone that it has; null = no IP address. */
export function readAddress(text: string): string | null {
  const zone = zoneOf(text);
  const ip = parseIp(withoutZone(text));
  if (ip === null || (zone !== null && (ip.length === 4 || zone === "" || zone.includes("%")))) {
    return null;
  }
  return zone === null ? formatIp(ip) : `${formatIp(ip)}%${zone}`;
}

/** Checks labels and length. `name`: lower case, no dot at the end. */
export function isHostName(name: string): boolean {
  return name.length <= MOST_NAME && LABELS.test(name);
}

/** Returns true for names that never leave the machine (RFC 6761 section 6.3). */
export function isLocalhost(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost");
}

/** Reads one to four numbers of any base; the last one fills what is left (inet_aton(3)). */
function parseOddIpv4(text: string): string | null {
  const parts = text.split(".");
  if (parts.length > 4 || !parts.every((part) => /^(0x[0-9a-f]{1,16}|[0-9]{1,16})$/i.test(part))) {
    return null;
  }
  const values = parts.map(readNumber);
  const last = values.pop()!;
  const room = 256 ** (4 - values.length);
  if (!(last < room) || !values.every((value) => value < 256)) return null;
  const number = values.reduce((sum, value, i) => sum + value * 256 ** (3 - i), last);
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".");
}

function readNumber(text: string): number {
  if (/^0x/i.test(text)) return Number.parseInt(text.slice(2), 16);
  if (!text.startsWith("0")) return Number.parseInt(text, 10);
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : NaN;
}

function toAscii(text: string): string {
  // deno-lint-ignore no-control-regex -- what is ASCII needs no conversion
  if (/^[\x00-\x7f]*$/.test(text)) return text.toLowerCase();
  if (/[\s/\\?#@:%[\]]/.test(text)) return "";
  const url = URL.parse(`http://${text}/`);
  return url === null ? "" : url.hostname;
}

function why(name: string): string {
  if (name.length > MOST_NAME) return `a host name has at most ${MOST_NAME} characters`;
  if (name.split(".").some((label) => label.length > 63)) {
    return "the parts of a host name have at most 63 characters";
  }
  return "it is no host name; check its spelling";
}

/** Quotes names, shortened, since they come from anybody. */
export function quoted(host: string): string {
  return JSON.stringify(host.length > 100 ? `${host.slice(0, 100)}…` : host);
}
