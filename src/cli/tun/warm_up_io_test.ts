import { test } from "../../../tests/check.ts";
import { runInWorker } from "../../../tests/in_worker.ts";

const WORKER = new URL("../../../tests/suite/tun_warm_up_worker.ts", import.meta.url);

for (
  const name of [
    "v2",
    "v1",
    "v2, plain packets",
    "v2, a pool of clients",
    "v2, stopped in the middle",
  ]
) {
  test(`warm-up: packets go there and back, and nothing stays open: ${name}`, () =>
    runInWorker(WORKER, name));
}
