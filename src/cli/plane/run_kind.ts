import { type PlaneConfigs, PLANES } from "./kinds.ts";
import { load } from "./load.ts";
import type { PlaneHost } from "./messages.ts";

/** Runs the data plane of a config. `kind` ties a module to the type of its config. */
export async function runKind<K extends keyof PlaneConfigs>(
  kind: K,
  config: PlaneConfigs[K],
  host: PlaneHost,
): Promise<void> {
  const plane = await load(PLANES[kind]);
  await plane.run(config, host);
}
