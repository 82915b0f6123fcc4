/** Parts for a data plane in the main thread, which others do not load. */
export { runKind } from "./run_kind.ts";
export { runToEnd } from "./worker_main.ts";
