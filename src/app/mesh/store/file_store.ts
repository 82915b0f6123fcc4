import type { Clock, Rng } from "../../../contract/host.ts";
import type { CoreChanges, CoreDisk, CoreState } from "../../../contract/mesh_disk.ts";
import type { MeshStore } from "../../../contract/mesh_store.ts";
import { CoreDriver } from "./core_driver.ts";
import { localStore } from "./memory_store.ts";

/** A store in one file of this machine, which is closed with it. */
export function fileStore(
  opened: {
    disk: CoreDisk;
    state: CoreState;
    later: Promise<CoreChanges> | null;
  },
  o: { clock: Clock; rng: Rng },
): MeshStore {
  return localStore(new CoreDriver(opened.state, { ...opened, clock: o.clock }), o);
}
