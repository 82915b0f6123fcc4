import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { dial } from "../../app/net/dial_events.ts";
import { Reactor } from "../reactor/reactor.ts";
import { LocalSockets } from "./local_sockets.ts";
import { PosixNet } from "./posix_net.ts";

const AT = { host: "127.0.0.1", port: 80 };
const mptcp = { dial: false, listen: false };

test("connections inside the process: bytes there and back, and nobody else's listener", async () => {
  using libc = openLibc();
  await using reactor = new Reactor(libc, "async");
  using sockets = new LocalSockets(libc);
  const net = new PosixNet(reactor, { mptcp, calls: sockets.calls });
  const { signal } = new AbortController();
  await assert.rejects(dial(net, AT, { signal }), /refused/);
  await using listener = net.listen(AT, { signal });
  assert.deepEqual(listener.addr, AT);
  assert.equal(listener.acceptNow({ signal }), null);
  await using near = await dial(net, AT, { signal });
  await using far = listener.acceptNow({ signal })!;
  near.writeNow(new Uint8Array([1, 2, 3]));
  const into = new Uint8Array(8);
  await new Promise<void>((resolve) => far.onReadable(resolve));
  assert.equal(far.readNow(into), 3);
  assert.deepEqual([...into.subarray(0, 3)], [1, 2, 3]);
});

test("a listener that was closed refuses, and another takes its port", async () => {
  using libc = openLibc();
  await using reactor = new Reactor(libc, "async");
  using sockets = new LocalSockets(libc);
  const net = new PosixNet(reactor, { mptcp, calls: sockets.calls });
  const { signal } = new AbortController();
  const first = net.listen(AT, { signal });
  const near = await dial(net, AT, { signal }); // nobody accepts it
  await first[Symbol.asyncDispose]();
  await assert.rejects(dial(net, AT, { signal }), /refused/);
  await using second = net.listen(AT, { signal });
  assert.equal(second.acceptNow({ signal }), null);
  assert.equal(near.readNow(new Uint8Array(1)), undefined);
  await near[Symbol.asyncDispose]();
});
