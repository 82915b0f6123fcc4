import { dialAny } from "../../app/net/dial_host.ts";
import { askStun } from "../../app/net/stun.ts";
import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import { rng } from "../platform/rng.ts";
import type { WayTools } from "./way_tools.ts";

const STUN_MS = 10_000;

export type Family = "IPv4" | "IPv6";

export function familyOf(ip: string): Family {
  return ip.includes(":") ? "IPv6" : "IPv4";
}

/** Asks a STUN server for the address and port that it sees. The connection is the caller's. */
export async function askOutside(
  stun: HostPort,
  localPort: number,
  dialer: Dialer,
  family: Family | null,
  { platform: { clock }, log, resolver, signal }: Omit<WayTools, "ciphers" | "opened">,
): Promise<{ found: HostPort; server: Connection }> {
  const server = await dialAny({
    ...{ to: stun, dialer, resolver, clock, signal, timeoutMs: STUN_MS },
    choose: (all) => {
      const usable = family === null ? all : all.filter((one) => familyOf(one) === family);
      if (usable.length > 0) return usable;
      throw new TtunError("name", `The STUN server has no ${family} address`);
    },
  });
  const found = await askStun(server, { rng, clock, timeoutMs: STUN_MS });
  const keepsPort = found.port === localPort;
  log.info("public address", { ip: found.host, port: found.port, nat_keeps_port: `${keepsPort}` });
  if (!keepsPort) {
    log.warn(
      "the NAT changes ports: the other end may need another -rport, if it gets through at all",
      { port: found.port },
    );
  }
  return { found, server };
}
