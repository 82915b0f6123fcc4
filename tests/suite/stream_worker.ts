import { openLibc } from "../../ffi/linux/libc.ts";
import { serveCases } from "../in_worker.ts";
import { posixNet } from "./real_nets.ts";
import { CASES, runCase } from "./stream_suite.ts";

/** Entry of a Worker: the conformance cases over a reactor that blocks its thread. */
serveCases(async (name) => {
  const one = CASES.find((some) => some.name === name);
  if (one === undefined) throw new Error(`There is no case called ${name}`);
  using libc = openLibc();
  await using net = posixNet(libc, "blocking");
  await runCase(one, net);
});
