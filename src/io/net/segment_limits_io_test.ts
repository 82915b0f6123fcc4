import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { Connection } from "../../contract/connection.ts";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { readExactly } from "../../../tests/suite/stream_net.ts";
import { PosixNet } from "./posix_net.ts";
import { Reactor } from "../reactor/reactor.ts";
import { accept, write } from "../../app/loop/stream_io.ts";
import { dial } from "../../app/net/dial_events.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

/** Sends both ways, and the size of full segments that each end has come to. */
async function sizes(near: Connection, far: Connection): Promise<number[]> {
  for (const [from, to] of [[near, far], [far, near]] as const) {
    await write(from, new Uint8Array(20_000));
    await readExactly(to, 20_000);
  }
  return [near, far].map((end) => end.stats().segmentBytes!);
}

const CASES = [
  { dial: undefined, listen: undefined, each: undefined, limit: Infinity },
  { dial: undefined, listen: undefined, each: 1220, limit: 1220 },
  { dial: 1000, listen: undefined, each: undefined, limit: 1000 },
  { dial: 1000, listen: undefined, each: 1220, limit: 1000 },
  { dial: undefined, listen: 536, each: 1220, limit: 536 },
];

for (const mptcp of [false, true]) {
  for (const { dial: dialLimit, listen, each, limit } of CASES) {
    const name = `dialer ${dialLimit}, listener ${listen}, dial ${each}, Multipath TCP ${mptcp}`;
    test(`segments are limited in both directions: ${name}`, async () => {
      using libc = openLibc();
      await using reactor = new Reactor(libc, "async");
      const { signal } = new AbortController();
      const net = new PosixNet(reactor, {
        mptcp: { dial: mptcp, listen: true },
        segmentBytes: { dial: dialLimit, listen },
      });
      await using listener = net.listen(LOOPBACK, { signal });
      await using near = await dial(net, listener.addr, { signal, segmentBytes: each });
      await using far = await accept(listener, { signal });
      for (const size of await sizes(near, far)) {
        if (limit === Infinity) ok(size > 10_000, `${size}`);
        else ok(size <= limit && size >= limit - 40, `${size}`);
      }
    });
  }
}

for (const mptcp of [false, true]) {
  test(`a listener limits the connections that come later, Multipath TCP ${mptcp}`, async () => {
    using libc = openLibc();
    await using reactor = new Reactor(libc, "async");
    const { signal } = new AbortController();
    const net = new PosixNet(reactor, { mptcp: { dial: false, listen: mptcp } });
    await using listener = net.listen(LOOPBACK, { signal });
    for (const limit of [Infinity, 1220, 536]) {
      const isSet = limit === Infinity || listener.limitSegments!(limit);
      if (!isSet && mptcp) {
        return console.log("skipped: this kernel limits no segments of Multipath TCP (Linux 6.17)");
      }
      equal(isSet, true);
      await using near = await dial(net, listener.addr, { signal });
      await using far = await accept(listener, { signal });
      for (const size of await sizes(near, far)) {
        ok(limit === Infinity ? size > 10_000 : size <= limit && size >= limit - 40, `${size}`);
      }
    }
    if (!mptcp) equal(listener.limitSegments!(10), false);
  });
}

test("the kernel tells how sending goes on", async () => {
  using libc = openLibc();
  await using reactor = new Reactor(libc, "async");
  const { signal } = new AbortController();
  const net = new PosixNet(reactor, { mptcp: { dial: false, listen: false } });
  await using listener = net.listen(LOOPBACK, { signal });
  await using near = await dial(net, listener.addr, { signal, segmentBytes: 1000 });
  await using far = await accept(listener, { signal });
  const before = near.stats().sending!;
  await write(near, new Uint8Array(10_000));
  await readExactly(far, 10_000);
  for (let tries = 0; near.stats().sending!.inFlightBytes > 0; tries++) {
    ok(tries < 500, "not acknowledged");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const after = near.stats().sending!;
  deepEqual([after.timeouts, after.sacked], [0, 0]);
  ok(after.delivered - before.delivered >= 10, `${after.delivered} segments of 10 000 bytes`);
  ok(after.segmentsIn > before.segmentsIn);
  ok(after.heardMsAgo < 5_000 && after.sentMsAgo < 5_000);
  equal(net.limitsSegments, true);
});

test("a size that the kernel does not take is an error, and leaves nothing open", async () => {
  using libc = openLibc();
  await using reactor = new Reactor(libc, "async");
  const { signal } = new AbortController();
  const net = new PosixNet(reactor, { mptcp: { dial: false, listen: false } });
  await rejects(dial(net, { host: "127.0.0.1", port: 9 }, { signal, segmentBytes: 10 }), {
    message: /TCP_MAXSEG: EINVAL/,
  });
});
