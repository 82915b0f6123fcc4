import type { Clock, Rng } from "../../../contract/host.ts";
import type { CoreDisk, CoreState } from "../../../contract/mesh_disk.ts";
import type { MeshStore } from "../../../contract/mesh_store.ts";
import { CoreDriver } from "./core_driver.ts";
import { localStore } from "./memory_store.ts";

/** A store in one file of this machine, which is closed with it. */
export function fileStore(
  { disk, state }: { disk: CoreDisk; state: CoreState },
  o: { clock: Clock; rng: Rng },
): MeshStore {
  return localStore(new CoreDriver(state, { disk, clock: o.clock }), o);
}
