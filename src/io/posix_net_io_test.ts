import { openLibc } from "../../ffi/libc.ts";
import { test } from "../../tests/check.ts";
import { runInWorker } from "../../tests/in_worker.ts";
import { posixNet, TCP_TRAITS } from "../../tests/suite/real_nets.ts";
import { eachCase, runCase } from "../../tests/suite/stream_suite.ts";

eachCase("posix_net", TCP_TRAITS, test, async (one) => {
  using libc = openLibc();
  await using net = posixNet(libc, "async");
  await runCase(one, net);
});

const WORKER = new URL("../../tests/suite/stream_worker.ts", import.meta.url);

eachCase(
  "posix_net, blocking",
  TCP_TRAITS,
  test,
  (one) => runInWorker(WORKER, one.name),
);
