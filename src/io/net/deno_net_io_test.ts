import { deepEqual } from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { denoNet, TCP_TRAITS } from "../../../tests/suite/real_nets.ts";
import { eachCase, runCase, streamSuite } from "../../../tests/suite/stream_suite.ts";
import { dial } from "../../app/net/dial_events.ts";
import { accept } from "../../app/loop/stream_io.ts";

eachCase("deno_net", TCP_TRAITS, test, async (one) => {
  using libc = openLibc();
  await using net = denoNet(libc);
  await runCase(one, net);
});

const { traits } = denoNet(null);
streamSuite("deno_net without FFI", traits, test, () => denoNet(null));

test("deno_net: a name is resolved on the way", async () => {
  await using net = denoNet(null);
  const { signal } = new AbortController();
  await using listener = net.listen(net.at, { signal });
  const port = "port" in listener.addr ? listener.addr.port : 0;
  const [here, there] = await Promise.all([
    dial(net.dialer, { host: "localhost", port }, { signal }),
    accept(listener, { signal }),
  ]);
  await using _here = here;
  await using _there = there;
  deepEqual(here.remote, listener.addr);
});
