import { type HostPort, isIpAddress } from "../../base/addr.ts";
import type { PlaneHost } from "../plane/messages.ts";
import { runPlane } from "../plane/run_plane.ts";
import { openSockets } from "../platform/open_sockets.ts";
import { openDenoSockets } from "../platform/sockets_deno.ts";
import { openByAddress } from "./open_address.ts";
import { type LoadedTls, loadPeerTls } from "./load_peer_tls.ts";
import { openConnect, openListen } from "./open_ticket.ts";
import { openQuestion, type PeerTools } from "./own_address.ts";
import type { PeerConfig, PeerTask } from "./plane_config.ts";
import { openStunServer } from "./stun_plane.ts";

/** @throws the reason of `host.stop`, or the failure that ended it */
export async function run(config: PeerConfig, host: PlaneHost): Promise<void> {
  const { task } = config;
  // All is loaded before there is a loop that blocks.
  const tls = hasTls(task) ? await loadPeerTls() : null;
  await runPlane(config, host, {
    mayMeetNames: hostsOf(task).some(({ host }) => !isIpAddress(host)),
    openPlatform: () =>
      config.io === "deno" || tls?.needsEventLoop === true ? openDenoSockets() : openSockets("ffi"),
    open: (tools: PeerTools) => open(task, tls, tools),
  });
}

/** Returns servers that are dialled by a name perhaps. */
function hostsOf(task: PeerTask): HostPort[] {
  const via = task.kind === "connect" ? task.place.via : task.kind === "listen" ? task.via : null;
  const stun = "stun" in task ? task.stun : undefined;
  return [...via === null ? [] : [via.server], ...stun === undefined ? [] : [stun]];
}

function hasTls(task: PeerTask): boolean {
  return task.kind === "address" && task.peerIp !== undefined && task.hasTls;
}

function open(task: PeerTask, tls: LoadedTls | null, tools: PeerTools) {
  switch (task.kind) {
    case "stun":
      return openStunServer(task, tools);
    case "listen":
      return openListen(task, tools);
    case "connect":
      return openConnect(task, tools);
    case "address": {
      const { peerIp } = task;
      return peerIp === undefined
        ? openQuestion(task, tools)
        : openByAddress({ ...task, peerIp }, tls, tools);
    }
  }
}
