import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { posixNet } from "../../../tests/suite/real_nets.ts";
import { connect } from "../../../tests/suite/stream_net.ts";
import { read } from "../../app/loop/stream_io.ts";

test("an end by a reset is told from one by FIN, and the reset is still there to be read", async () => {
  using libc = openLibc();
  await using net = posixNet(libc, "async");
  {
    await using pair = await connect(net);
    pair.there.reset();
    await net.pause(100);
    for (let i = 0; i < 2; i++) assert.equal(pair.here.stats().wasReset, true);
    await assert.rejects(async () => await read(pair.here, new Uint8Array(1)), { kind: "lost" });
  }
  await using pair = await connect(net);
  await pair.there.closeWrite();
  assert.equal(await read(pair.here, new Uint8Array(1)), null);
  await pair.here.closeWrite();
  await net.pause(100);
  const { isGone, wasReset } = pair.here.stats();
  assert.deepEqual([isGone, wasReset], [true, false]);
});
