import { counter, gauge, histogram, type Measure } from "../http/node_metrics.ts";
import type { CoreFigures } from "./core_driver.ts";

/** Returns the measures of the core at this node. */
export function coreMeasures(core: CoreFigures): Measure[] {
  return [
    gauge("core_epoch", "Epoch of the core: it grows when it moves or is restored", core.epoch),
    gauge("core_revision", "Revision of the core", core.revision),
    gauge("core_keys", "Keys that the core has", core.keys),
    gauge("core_bytes", "Bytes of these keys and their values", core.bytes),
    gauge("core_sessions", "Sessions that live", core.sessions),
    histogram("core_commit_seconds", "Time of commits to the core's disk", core.commits),
    counter("core_full_total", "Commits that its disk had no room for", core.refused),
  ];
}
