import { TtunError } from "../../base/errors.ts";
import type { PortRange } from "../../base/port_range.ts";
import type { HopAddress } from "../../core/hop/hop_address.ts";
import { DEFAULT_PORT_RANGE, parsePortRange } from "../../core/hop/port_range.ts";
import { readAddress } from "../command/address_args.ts";

/** Reads what stands behind `hop:` in a server's URL. @throws {TtunError} usage */
export function readHopServer(rest: string): HopAddress {
  const { host, range } = split(rest);
  if (host === "") throw unreadable(rest, "the host is missing, as in hop://example.net");
  return { host: readAddress(host, { port: 1 }).host, range };
}

/** Reads what stands behind `hop:` in a listener's URL; no host and `*` are all addresses. */
export function readHopListen(rest: string): HopAddress {
  const { host, range } = split(rest);
  if (host === "" || host === "*") return { host: "", range };
  return { host: readAddress(host, { port: 1 }).host, range };
}

function split(rest: string): { host: string; range: PortRange } {
  const [, host, query = ""] = /^\/\/([^?#/]*)\/?(?:\?(.*))?$/s.exec(rest) ?? [];
  if (host === undefined) throw unreadable(rest, "write hop://HOST?range=FIRST-LAST");
  if (/^(?:\[[^\]]*\]|[^:]*):\d*$/.test(host)) {
    throw unreadable(rest, "leave the port away: it follows from the key and the time");
  }
  if (query === "") return { host, range: DEFAULT_PORT_RANGE };
  const ports = /^range=(.*)$/s.exec(query)?.[1];
  if (ports === undefined) {
    throw unreadable(rest, "behind the question mark stands range=FIRST-LAST alone");
  }
  return { host, range: parsePortRange(ports) };
}

function unreadable(rest: string, why: string): TtunError {
  return new TtunError("usage", `Cannot read ${JSON.stringify(`hop:${rest}`)}: ${why}`);
}
