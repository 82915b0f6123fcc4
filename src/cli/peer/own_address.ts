import type { Connection } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { OpenedPlane, PlaneTools } from "../plane/run_plane.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { askOutside, type Family, familyOf } from "./ask_outside.ts";
import { openPunch } from "./peer_sockets.ts";
import type { AddressTask, OwnAddressTask, PeerStart } from "./plane_config.ts";

export type PeerTools = PlaneTools<SocketPlatform, PeerStart>;

/** Prints this machine's public address. */
export function openQuestion(task: AddressTask, tools: PeerTools): OpenedPlane<PeerStart> {
  const { port } = tools;
  const { dialer } = openPunch(tools).at({ host: "", port: task.localPort });
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
