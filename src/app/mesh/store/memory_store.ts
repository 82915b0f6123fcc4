import type { Clock, Rng } from "../../../contract/host.ts";
import type { MeshStore } from "../../../contract/mesh_store.ts";
import { emptyCore } from "../../../core/mesh/core/core_state.ts";
import { CoreDriver } from "./core_driver.ts";
import { CoreStore } from "./core_store.ts";

/** A store that keeps nothing beyond its process. */
export function memoryStore(o: { clock: Clock; rng: Rng }): MeshStore {
  return localStore(new CoreDriver(emptyCore(), { disk: null, clock: o.clock }), o);
}

/** The store of a core in this process, which ends with it. */
export function localStore(core: CoreDriver, o: { clock: Clock; rng: Rng }): MeshStore {
  return new CoreStore(core, {
    ...o,
    owned: core,
    health: () => ({
      ring: "alone",
      core: core.failure === undefined ? "ok" : "degraded",
      copies: 1,
    }),
  });
}
