import type { PlaneConfig } from "./plane/kinds.ts";
import { runKind } from "./plane/run_kind.ts";
import { serveWorker } from "./plane/worker_main.ts";

/** Entry of the Worker through which all traffic goes: packets, or a proxy's connections. */
serveWorker((config: PlaneConfig, host) => runKind(config.kind, config, host));
