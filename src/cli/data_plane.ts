import { type PlaneConfigs, PLANES } from "./plane/kinds.ts";
import { load } from "./plane/load.ts";
import type { PlaneHost } from "./plane/messages.ts";
import { serveWorker } from "./plane/worker_main.ts";

/** Entry of the Worker through which all traffic goes: packets, or a proxy's connections. */
serveWorker((config: PlaneConfigs[keyof PlaneConfigs], host) => run(config.kind, config, host));

/** `kind` ties a module to the type of its config. */
async function run<K extends keyof PlaneConfigs>(
  kind: K,
  config: PlaneConfigs[K],
  host: PlaneHost,
): Promise<void> {
  const plane = await load(PLANES[kind]);
  await plane.run(config, host);
}
