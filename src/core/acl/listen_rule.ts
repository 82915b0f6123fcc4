import { formatIp, parseIp } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { PortRange } from "../../base/port_range.ts";
import { parsePorts, PORTS } from "./ports.ts";
import { parseSocketPath, UNIX } from "./socket_path.ts";
import { unmapped } from "./special_use.ts";

/** A value of `--permit-listen`. */
export type ListenRule = PortListenRule | { readonly path: string };

export interface PortListenRule {
  /** An address that `listenHost` has returned; null = the rule has none. */
  readonly host: string | null;
  /** Port 0 is one that the system chooses. */
  readonly port: PortRange;
}

/** The host of a listener on all addresses of the machine. */
export const ALL_ADDRESSES = "";

/**
 * Returns the one text of an address to listen on: `*`, 0.0.0.0, :: and "" are all addresses,
 * `localhost` is 127.0.0.1. null = no IP address; names of interfaces (zones) are not taken either.
 */
export function listenHost(text: string): string | null {
  if (text === "*" || text === "") return ALL_ADDRESSES;
  const ip = parseIp(text.toLowerCase() === "localhost" ? "127.0.0.1" : text);
  if (ip === null) return null;
  return ip.every((byte) => byte === 0) ? ALL_ADDRESSES : formatIp(unmapped(ip));
}

const RULE = new RegExp(`^(?:(?:\\[([^[\\]]+)\\]|([^:[\\]]+)):)?(${PORTS})$`);

/** Reads `[ADDR:]PORT[-PORT]`, IPv6 in brackets, and `unix:/PATH`. @throws {TtunError} usage */
export function parseListenRule(text: string): ListenRule {
  if (text.startsWith(UNIX)) return { path: parseSocketPath(text) };
  const [, bracketed, plain, ports] = RULE.exec(text) ?? [];
  const address = bracketed ?? plain;
  const host = address === undefined ? null : listenHost(address);
  if (ports === undefined || (address !== undefined && host === null)) {
    throw new TtunError(
      "usage",
      `Cannot read ${JSON.stringify(text)}: write a port or FROM-TO, before it the address if it ` +
        "is not 127.0.0.1, as 192.0.2.1:8080, [2001:db8::1]:8080 or *:8000-8099 (all addresses), " +
        "or a unix socket as unix:/PATH",
    );
  }
  return { host, port: parsePorts(ports, 0, text) };
}

/**
 * Returns the rule that permits this listen and nothing else, quoted where a shell would read it
 * otherwise. `host`: null = none was given, else an address as `listenHost` returns it.
 */
export function formatListenRule(
  listen: { readonly host: string | null; readonly port: number } | { readonly path: string },
): string {
  const rule = "path" in listen
    ? `${UNIX}${listen.path}`
    : listen.host === null
    ? `${listen.port}`
    : `${formatListenHost(listen.host)}:${listen.port}`;
  return /[^\w:./[\]-]/.test(rule) ? JSON.stringify(rule) : rule;
}

/** Returns the address as it stands before a port. */
function formatListenHost(host: string): string {
  if (host === ALL_ADDRESSES) return "*";
  return host.includes(":") ? `[${host}]` : host;
}
