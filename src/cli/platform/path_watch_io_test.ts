import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { posixNet } from "../../../tests/suite/real_nets.ts";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { PathWatch } from "../../app/net/path_watch.ts";
import { DenoClock } from "../../io/reactor/deno_clock.ts";
import { accept, read, write } from "../../app/loop/stream_io.ts";
import { dial } from "../../app/net/dial_events.ts";

const TIMEOUT_MS = 300;

test("posix_net: a reader that pauses for longer than TCP_USER_TIMEOUT gets everything", async () => {
  using libc = openLibc();
  await using net = posixNet(libc, "async");
  const { signal } = new AbortController();
  await using listener = net.listen(net.at, { signal });
  const [here, there] = await Promise.all([
    dial(net.dialer, listener.addr, { signal }),
    accept(listener, { signal }),
  ]);
  await using _here = here;
  await using _there = there;
  here.setOptions({ userTimeoutMs: TIMEOUT_MS });
  using watch = new PathWatch(new DenoClock(), { timeoutMs: TIMEOUT_MS, lookMs: 50 });
  watch.add(here);
  const total = 16 * 1024 * 1024; // more than the kernel takes
  const writing = Promise.resolve(write(here, new Uint8Array(total))).then(() => here.closeWrite());
  writing.catch(() => {}); // told below
  // Linux looks at its next probe only, which comes later each time.
  await net.pause(6 * TIMEOUT_MS);
  const into = new Uint8Array(1024 * 1024);
  let got = 0;
  for (let part; (part = await read(there, into)) !== null;) got += part;
  await writing;
  assert.equal(got, total);
});
