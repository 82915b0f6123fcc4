import { fileStore } from "../../app/mesh/store/file_store.ts";
import { TtunError } from "../../base/errors.ts";
import type { MeshStore } from "../../contract/mesh_store.ts";
import { openCoreFile } from "../../io/mesh/core_file.ts";
import type { PlaneTools } from "../plane/run_plane.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
import { coreFile } from "./core_path.ts";
import type { MeshConfig } from "./plane_config.ts";

/** Never called: it makes the Worker's file a dependency for `deno cache` and `deno install`. */
export const workerModule: () => Promise<unknown> = () => import("../../io/mesh/sqlite_worker.ts");

/** Opens the store of a node. @throws {TtunError} if its file is missing or damaged */
export async function openStore(
  { folder, state }: MeshConfig,
  { platform: { clock } }: PlaneTools<SocketPlatform, null>,
): Promise<MeshStore> {
  if (!state.facts.roles.includes("core")) {
    throw new TtunError(
      "usage",
      "Cannot run this node: nodes without the core need links with others, which this version of " +
        "ttun does not have yet",
    );
  }
  return fileStore(await openCoreFile(coreFile(folder), { create: false }), { clock, rng });
}
