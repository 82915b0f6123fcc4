import { deepEqual, equal, ok } from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { connect, readAll, readExactly } from "../../../tests/suite/stream_net.ts";
import { MPTCP_TRAITS, posixNet } from "../../../tests/suite/real_nets.ts";
import { eachCase, runCase } from "../../../tests/suite/stream_suite.ts";
import { PosixNet } from "./posix_net.ts";
import { Reactor } from "../reactor/reactor.ts";
import { write } from "../../app/loop/stream_io.ts";

/** Why there is no Multipath TCP here, or null. */
function obstacle(): string | null {
  try {
    const enabled = Deno.readTextFileSync("/proc/sys/net/mptcp/enabled").trim();
    return enabled === "1" ? null : `net.mptcp.enabled is ${enabled}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "the kernel has no Multipath TCP";
    throw error;
  }
}

const reason = obstacle();
if (reason !== null) console.log(`mptcp: skipped, ${reason}`);
const ignore = reason !== null;

eachCase(
  "posix_net by Multipath TCP",
  MPTCP_TRAITS,
  (name, fn) => test({ name, fn, ignore }),
  async (one) => {
    using libc = openLibc();
    await using net = posixNet(libc, "async", true);
    await runCase(one, net);
  },
);

for (
  const [dial, listen, wanted] of [[true, true, "mptcp"], [false, true, "tcp"], [
    true,
    false,
    "tcp",
  ], [false, false, "tcp"]] as const
) {
  const name = `mptcp: ${dial ? "asked for" : "not asked for"} by the dialer and ` +
    `${listen ? "taken" : "not taken"} by the listener makes it ${wanted}`;
  test({
    name,
    ignore,
    async fn() {
      using libc = openLibc();
      await using reactor = new Reactor(libc, "async");
      const net = new PosixNet(reactor, { mptcp: { dial, listen } });
      await using pair = await connect({
        dialer: net,
        listen: (at, o) => net.listen(at, o),
        at: { host: "127.0.0.1", port: 0 },
        pause: () => Promise.resolve(),
        traits: MPTCP_TRAITS,
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
      const before = [pair.here.stats().acked!, pair.there.stats().received!] as const;
      ok(before[0] < 1000 && before[1] < 1000, `${before} though nothing was sent`);
      await write(pair.here, new Uint8Array(10_000));
      await readExactly(pair.there, 10_000);
      await until(() => pair.here.stats().acked! - before[0] === 10_000);
      equal(pair.there.stats().received! - before[1], 10_000);
      await until(() => pair.here.stats().isDelivered === true);
      deepEqual([pair.here.stats().protocol, pair.there.stats().protocol], [wanted, wanted]);
      const unset = pair.here.setOptions({
        noDelay: true,
        keepAliveSeconds: 15,
        userTimeoutMs: 60_000,
      });
      // Multipath TCP has no TCP_USER_TIMEOUT (net/mptcp/sockopt.c), and says so.
      deepEqual(unset, wanted === "mptcp" ? ["TCP_USER_TIMEOUT"] : []);
      for (const stream of [pair.here, pair.there]) {
        deepEqual(stream.setOptions({ congestion: { far: null, near: "reno", nearMs: 1000 } }), []);
        equal(stream.congestion, "reno");
      }
      await pair.there.closeWrite();
      deepEqual(await readAll(pair.here), new Uint8Array());
      await until(() => pair.here.stats().peerClosed === true);
      equal(pair.there.stats().peerClosed, false);
      await pair.there[Symbol.asyncDispose]();
    },
  });
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    ok(tries < 500, `does not come about: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
