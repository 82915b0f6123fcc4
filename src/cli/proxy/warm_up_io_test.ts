import { test } from "../../../tests/check.ts";
import { runInWorker } from "../../../tests/in_worker.ts";

const WORKER = new URL("../../../tests/suite/proxy_warm_up_worker.ts", import.meta.url);

for (const name of ["to its end", "stopped in the middle"]) {
  test(`warm-up of the proxy: connections come and go, and nothing stays open: ${name}`, () =>
    runInWorker(WORKER, name));
}
