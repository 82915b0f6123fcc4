import { AgentClient } from "../../app/gateway/agent_client.ts";
import { AgentLinks } from "../../app/gateway/agent_links.ts";
import { MeshDialer } from "../../app/gateway/mesh_dialer.ts";
import { noWeb } from "../../app/gateway/no_web.ts";
import { VisitorListener } from "../../app/gateway/visitor_listener.ts";
import type { DirectServer } from "../../app/system/server_name.ts";
import { TtunError } from "../../base/errors.ts";
import type { Listener } from "../../contract/dial.ts";
import { RAW_PROTOCOLS } from "../../core/gateway/raw_service.ts";
import { unpack } from "../peer/packed.ts";
import type { WayTools } from "../peer/way_tools.ts";
import { agentOptions } from "./agent_options.ts";
import { type DialGateway, gatewayDialer } from "./gateway_dialer.ts";
import type { MeshListenPlace, MeshServerPlace } from "./mesh_places.ts";

/** `mesh:`: a service at a name of a mesh. `at`: a packed MeshServerPlace. */
export function openMeshServer(at: string, tools: WayTools): DirectServer {
  const { name, host, at: places, cas } = unpack<MeshServerPlace>(at);
  const { platform, resolver, log, opened } = tools;
  const { clock } = platform;
  const net = openNet(tools);
  const protocol = RAW_PROTOCOLS.link;
  const remedy = "?ca=FILE";
  const dials = cas.map((ca) =>
    gatewayDialer({ host, protocol, remedy, ca, net, resolver, clock, log, opened })
  );
  return { name, dialer: new MeshDialer({ at: places, dial: byTurns(dials), clock }) };
}

/** Dials by the first that trusts the gateway, which is the first one from then on. */
function byTurns(dials: readonly DialGateway[]): DialGateway {
  let first = 0;
  return async (at, signal, o) => {
    for (let i = 0;; i++) {
      const turn = (first + i) % dials.length;
      try {
        const stream = await dials[turn]!(at, signal, o);
        first = turn;
        return stream;
      } catch (error) {
        const isLast = i + 1 === dials.length;
        if (isLast || !(error instanceof TtunError) || error.kind !== "auth") throw error;
      }
    }
  };
}

/** `mesh:`: a listener at a name that this machine's agent publishes. `at`: a packed MeshListenPlace. */
export function openMeshListener(at: string, tools: WayTools): Listener {
  const { name, label, folder, agent, ca } = unpack<MeshListenPlace>(at);
  const { platform, log, signal } = tools;
  const net = openNet(tools);
  const listener = new VisitorListener(platform.clock, signal);
  const tunnels = [{ name: label, serve: noWeb(platform.clock), raw: { link: listener.take } }];
  const options = agentOptions({ ...agent, folder, ca }, net, tools);
  const links = new AgentLinks({
    first: agent.at,
    clock: platform.clock,
    log,
    make: (at, { found, ...o }) =>
      new AgentClient({
        ...options.of(at),
        tunnels: () => tunnels,
        isStrict: () => true,
        ...o,
        onOthers: found,
        onPublished: () => log.info("published", { name }),
      }),
  });
  links.run(signal).catch((error) => listener.fail(error));
  return listener;
}

function openNet({ platform, log }: WayTools) {
  const io = platform.libc === null ? "deno" : "ffi";
  return platform.openNet({ io, mptcp: false, segmentBytes: {} }, log);
}
