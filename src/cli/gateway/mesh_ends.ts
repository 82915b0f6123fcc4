import { AgentClient } from "../../app/gateway/agent_client.ts";
import { AgentLinks } from "../../app/gateway/agent_links.ts";
import { MeshDialer } from "../../app/gateway/mesh_dialer.ts";
import { VisitorListener } from "../../app/gateway/visitor_listener.ts";
import type { DirectServer } from "../../app/system/server_name.ts";
import type { Listener } from "../../contract/dial.ts";
import { RAW_PROTOCOLS } from "../../core/gateway/raw_service.ts";
import { unpack } from "../peer/packed.ts";
import type { WayTools } from "../peer/way_tools.ts";
import { agentOptions } from "./agent_options.ts";
import { gatewayDialer } from "./gateway_dialer.ts";
import type { MeshListenPlace, MeshServerPlace } from "./mesh_places.ts";

/** `mesh:`: a service at a name of a mesh. `at`: a packed MeshServerPlace. */
export function openMeshServer(at: string, tools: WayTools): DirectServer {
  const { name, host, at: places, ca } = unpack<MeshServerPlace>(at);
  const { platform, resolver, log, opened } = tools;
  const { clock } = platform;
  const net = platform.openNet({ io: "ffi", mptcp: false, segmentBytes: {} }, log);
  const protocol = RAW_PROTOCOLS.link;
  const remedy = "?ca=FILE";
  const dial = gatewayDialer({ host, protocol, remedy, ca, net, resolver, clock, log, opened });
  return { name, dialer: new MeshDialer({ at: places, dial, clock }) };
}

/** `mesh:`: a listener at a name that this machine's agent publishes. `at`: a packed MeshListenPlace. */
export function openMeshListener(at: string, tools: WayTools): Listener {
  const { name, label, folder, agent, ca } = unpack<MeshListenPlace>(at);
  const { platform, log, signal } = tools;
  const net = platform.openNet({ io: "ffi", mptcp: false, segmentBytes: {} }, log);
  const listener = new VisitorListener(platform.clock, signal);
  const options = agentOptions({ ...agent, folder, ca }, net, tools);
  const links = new AgentLinks({
    first: agent.at,
    clock: platform.clock,
    log,
    make: (at, { found, ...o }) =>
      new AgentClient({
        ...options.of(at),
        tunnels: [{ name: label, raw: { link: listener.take } }],
        ...o,
        onOthers: found,
        onPublished: () => log.info("published", { name }),
      }),
  });
  links.run(signal).catch((error) => listener.fail(error));
  return listener;
}
