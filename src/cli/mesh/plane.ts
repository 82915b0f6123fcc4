import type { PlaneHost } from "../plane/messages.ts";
import { runPlane } from "../plane/run_plane.ts";
import { openSockets } from "../platform/open_sockets.ts";
import type { MeshTools } from "./mesh_tools.ts";
import { openMeshNode } from "./open_node.ts";
import type { MeshConfig } from "./plane_config.ts";

/** @throws the reason of `host.stop`, or the failure that ended it */
export async function run(config: MeshConfig, host: PlaneHost): Promise<void> {
  await runPlane(config, host, {
    mayMeetNames: true, // those of other nodes
    // Its HTTP server and its disk's Worker need Deno's own loop.
    openPlatform: () => openSockets("deno"),
    open: (tools: MeshTools) => openMeshNode(config, tools),
  });
}
