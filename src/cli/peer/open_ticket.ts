import { runPeerClient } from "../../app/system/peer_client.ts";
import { runPeerServer } from "../../app/system/peer_server.ts";
import { formatAddr } from "../../base/addr.ts";
import { ID_SIZE } from "../../core/link/v2/setup.ts";
import type { OpenedPlane } from "../plane/run_plane.ts";
import { wireSecrets } from "../plane/wire_secrets.ts";
import { rng } from "../platform/rng.ts";
import type { PeerTools } from "./own_address.ts";
import { openProgress } from "./pipe_progress.ts";
import { KEEP_MS } from "./keep.ts";
import { openStdio } from "./peer_sockets.ts";
import type { ConnectTask, ListenTask, PeerStart } from "./plane_config.ts";
import { openTicketListener, openTicketServer } from "./ticket_way.ts";

/** Makes a ticket, prints it, and is a pipe to whoever comes with it first. */
export function openListen(task: ListenTask, tools: PeerTools): OpenedPlane<PeerStart> {
  const { platform, ciphers, log, signal, port } = tools;
  const { clock } = platform;
  const { keeps, link, ttlMs: waitMs } = task;
  const tell = (line: string) => port.report({ kind: "print", line, isProgress: false });
  const { listeners, begin } = openTicketListener(task, tell, tools);
  const stdio = openStdio(tools);
  return {
    facts: {},
    run: async ({ s }) => {
      using progress = openProgress(task, tools);
      await runPeerServer({
        onTraffic: progress?.follow,
        ...{ stdio, clock, log, signal },
        secrets: wireSecrets(link, ciphers, s!),
        keepMs: keeps ? KEEP_MS : 0,
        congestion: platform.planCongestion("auto").choice,
        onUp: () => log.info("Connected to peer!"),
        way: { listeners, waitMs, begin },
      });
      log.info("Peer closed connection");
    },
  };
}

/** A pipe to the peer that has made a ticket. */
export function openConnect(task: ConnectTask, tools: PeerTools): OpenedPlane<PeerStart> {
  const { platform, ciphers, log, signal } = tools;
  const { clock } = platform;
  const { place, deadlineMs, keeps, link, name } = task;
  const server = openTicketServer(place, { name, deadlineMs }, tools);
  const stdio = openStdio(tools);
  return {
    facts: {},
    run: async ({ s }) => {
      const addresses = place.candidates.map(formatAddr).join(" ");
      log.info("connecting", { ticket: name, addresses });
      using progress = openProgress(task, tools);
      await runPeerClient({
        onTraffic: progress?.follow,
        ...{ stdio, clock, log, signal, server },
        secrets: wireSecrets(link, ciphers, s!),
        keepMs: keeps ? KEEP_MS : 0,
        congestion: platform.planCongestion("auto").choice,
        onUp: () => log.info("Connected to peer!"),
        instance: rng(ID_SIZE),
        hasTicket: true,
      });
      log.info("Peer closed connection");
    },
  };
}
