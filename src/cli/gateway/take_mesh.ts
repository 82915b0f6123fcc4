import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { pack } from "../peer/packed.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import { agentFolder, authoritiesFile, isAgent, readAgent } from "./agent_folder.ts";
import type { MeshListenPlace, MeshServerPlace } from "./mesh_places.ts";
import { type MeshServerUrl, parseMeshListen, parseMeshServer } from "./mesh_url.ts";

/** Puts into a client's `mesh:` what the data plane needs of this machine. @throws {TtunError} */
export function takeMeshServer({ at }: Endpoint): Endpoint {
  return { scheme: "mesh", at: pack(meshPlace(parseMeshServer(`${at}`))) };
}

/** Returns where a service is, by what an agent of this machine knows of its mesh. @throws {TtunError} */
export function meshPlace({ apex, port, name, at, ca }: MeshServerUrl): MeshServerPlace {
  requirePermissions(socketNeeds("ffi", "connect by TLS"));
  const own = ownAgent(apex);
  const found = own === null ? { host: apex, port } : own.at;
  return {
    name: `mesh://${apex}/${name}`,
    host: `${name}.${apex}`,
    at: at.length > 0 ? at : [found],
    cas: ca !== null ? [ca] : own === null || own.ca === null ? [null] : [own.ca, null],
  };
}

/** Does it for a listener, whose name this machine's agent publishes. @throws {TtunError} */
export function takeMeshListen({ at }: Endpoint): Endpoint {
  requirePermissions(socketNeeds("ffi", "connect by TLS"));
  const { apex, name: label, data } = parseMeshListen(`${at}`);
  const folder = agentFolder(data ?? undefined);
  const agent = readAgent(folder);
  if (agent.apex !== apex) {
    throw new TtunError(
      "usage",
      `Cannot listen at a name below ${apex}: the agent of ${folder} is one of ${agent.apex}; ` +
        "another folder is given by ?data=DIR",
    );
  }
  const name = `mesh://${apex}/${label}`;
  const place: MeshListenPlace = { name, label, folder, agent, ca: authoritiesFile(folder) };
  return { scheme: "mesh", at: pack(place) };
}

/** Returns what this machine's agent knows of its mesh; null = there is none, or one of another mesh. */
function ownAgent(apex: string): { at: HostPort; ca: string | null } | null {
  let folder;
  try {
    folder = agentFolder(undefined);
    if (!isAgent(folder)) return null;
  } catch (error) {
    if (error instanceof TtunError) return null; // there is no place for one, or it is not readable
    throw error;
  }
  const agent = readAgent(folder);
  return agent.apex === apex ? { at: agent.at, ca: authoritiesFile(folder) } : null;
}
