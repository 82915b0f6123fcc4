import { openLibc } from "../../ffi/libc.ts";
import { test } from "../../tests/check.ts";
import { denoNet, TCP_TRAITS } from "../../tests/suite/real_nets.ts";
import { eachCase, runCase, streamSuite } from "../../tests/suite/stream_suite.ts";

eachCase("deno_net", TCP_TRAITS, test, async (one) => {
  using libc = openLibc();
  await using net = denoNet(libc);
  await runCase(one, net);
});

const { traits } = denoNet(null);
streamSuite("deno_net without FFI", traits, test, () => denoNet(null));
