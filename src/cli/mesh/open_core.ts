import { CoreDriver } from "../../app/mesh/store/core_driver.ts";
import type { CoreClient } from "../../app/mesh/store/core_client.ts";
import { CorePlace, type Place } from "../../app/mesh/store/core_place.ts";
import { CoreServer } from "../../app/mesh/store/core_server.ts";
import { RemoteCore } from "../../app/mesh/store/remote_core.ts";
import type { CoreRequest } from "../../core/mesh/core/request.ts";
import { isReserved } from "../../core/mesh/http/route.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";
import { openCoreFile } from "../../io/mesh/core_file.ts";
import { isThere } from "../../io/files/present.ts";
import { rng } from "../platform/rng.ts";
import { coreFile } from "./core_path.ts";
import { keepPlace, readPlace } from "./kept_place.ts";
import type { MeshTools } from "./mesh_tools.ts";

/** Never called: it makes the Worker's file a dependency for `deno cache` and `deno install`. */
export const workerModule: () => Promise<unknown> = () => import("../../io/mesh/sqlite_worker.ts");

export interface OpenedCore {
  readonly client: CoreClient;
  readonly isWell: () => boolean;
  /** The core of this node; null = another one has it. */
  readonly local: { readonly driver: CoreDriver; readonly server: CoreServer } | null;
}

/** Ways to other nodes' cores. */
export interface CoreLinks {
  candidates(): readonly NodeKey[];
  ask(node: NodeKey, body: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}

/** Opens the core in a node's folder, or the way to another node's. @throws {TtunError} */
export async function openCore(
  { folder, self }: { readonly folder: string; readonly self: NodeKey },
  links: CoreLinks,
  { opened, platform: { clock }, log }: MeshTools,
): Promise<OpenedCore> {
  const place = readPlace(folder);
  const isElsewhere = place !== null && place.node !== self;
  if (isThere(coreFile(folder)) && !isElsewhere) {
    const o = { create: false, leastEpoch: place?.epoch ?? 0 };
    const { disk, state } = await openCoreFile(coreFile(folder), o);
    const driver = opened.use(new CoreDriver(state, { disk, clock }));
    const server = new CoreServer(driver, { epoch: state.epoch, refusal: refusalOf });
    return {
      client: driver,
      isWell: () => driver.failure === undefined,
      local: { driver, server },
    };
  }
  let isWell = false;
  const way = new CorePlace({
    place,
    save: (found: Place) => {
      const why = keepPlace(folder, found);
      if (why !== null) log.warn("Cannot keep where the core is", { why });
    },
    candidates: () => links.candidates(),
    ask: async (node, body, signal) => {
      try {
        const answer = await links.ask(node, body, signal);
        isWell = true;
        return answer;
      } catch (error) {
        if (!signal.aborted) isWell = false;
        throw error;
      }
    },
    clock,
  });
  return { client: new RemoteCore(way, { clock, rng }), isWell: () => isWell, local: null };
}

/** A node that was stolen must not change who belongs to the cluster. */
function refusalOf(_node: NodeKey, request: CoreRequest): string | null {
  const isWrite = request.type === "put" || request.type === "delete";
  if (!isWrite || request.key.startsWith("lease/") || !isReserved(request.key)) return null;
  return "Only the node with the core writes this: run the command there";
}
