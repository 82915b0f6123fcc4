import type { PlaneHost } from "../plane/messages.ts";
import { runPlane } from "../plane/run_plane.ts";
import { openSockets } from "../platform/open_sockets.ts";
import { openToxClient } from "./open_client.ts";
import { openToxServer } from "./open_server.ts";
import type { ToxTools } from "./tox_tools.ts";
import type { ToxConfig } from "./plane_config.ts";

/** @throws the reason of `host.stop`, or the failure that ended it */
export async function run(config: ToxConfig, host: PlaneHost): Promise<void> {
  const { end, io } = config;
  await runPlane(config, host, {
    mayMeetNames: true, // those of nodes, and of a server's targets
    openPlatform: () => openSockets(io),
    open: (tools: ToxTools) =>
      end.role === "server" ? openToxServer(config, end, tools) : openToxClient(config, end, tools),
  });
}
