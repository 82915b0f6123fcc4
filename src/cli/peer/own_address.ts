import { dialAny } from "../../app/net/dial_host.ts";
import { askStun } from "../../app/net/stun.ts";
import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import { openPunchNet } from "../../io/punch/punch_net.ts";
import type { OpenedPlane, PlaneTools } from "../plane/run_plane.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
import type { AddressTask, OwnAddressTask, PeerStart } from "./plane_config.ts";

const STUN_MS = 10_000;

export type PeerTools = PlaneTools<SocketPlatform, PeerStart>;

type Family = "IPv4" | "IPv6";

/** Prints this machine's public address. */
export function openQuestion(task: AddressTask, tools: PeerTools): OpenedPlane<PeerStart> {
  const { platform, port } = tools;
  const { dialer } = openPunchNet(platform.reactor!, { host: "", port: task.localPort });
  return {
    facts: {},
    run: async () => {
      const family = task.myIp === undefined ? null : familyOf(task.myIp);
      const { myIp, server } = await ownAddress(task, dialer, family, tools);
      await using _server = server;
      port.report({ kind: "print", line: myIp, isProgress: false });
    },
  };
}

export function familyOf(ip: string): Family {
  return ip.includes(":") ? "IPv6" : "IPv4";
}

/**
 * Returns this machine's public address, and the connection to the STUN server that told it.
 * `family`: of that server; null = any.
 */
export async function ownAddress(
  { myIp, localPort, stun }: OwnAddressTask,
  dialer: Dialer,
  family: Family | null,
  tools: PeerTools,
): Promise<{ myIp: string; server: Connection | null }> {
  if (stun === undefined) return { myIp: myIp!, server: null };
  const { found, server } = await askOutside(stun, localPort, dialer, family, tools);
  if (myIp !== undefined && myIp !== found.host) {
    const addresses = { myip: myIp, ip: found.host };
    tools.log.warn("-myip is another address than the STUN server sees", addresses);
  }
  return { myIp: myIp ?? found.host, server };
}

/** Asks a STUN server for the address and port that it sees. The connection is the caller's. */
export async function askOutside(
  stun: HostPort,
  localPort: number,
  dialer: Dialer,
  family: Family | null,
  { platform: { clock }, log, resolver, signal }: Pick<
    PeerTools,
    "platform" | "log" | "resolver" | "signal"
  >,
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
