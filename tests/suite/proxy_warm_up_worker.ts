import assert from "node:assert/strict";
import { openLibc } from "../../ffi/linux/libc.ts";
import { openLibcrypto } from "../../ffi/openssl/libcrypto.ts";
import { proxyWarmUp } from "../../src/app/system/proxy_warm_up.ts";
import { DEFAULT_LIMITS } from "../../src/app/net/connection_limits.ts";
import type { ProxyCounters } from "../../src/app/net/proxy_host.ts";
import { parseCidr } from "../../src/base/addr.ts";
import { makeLogger } from "../../src/base/log.ts";
import { Acl } from "../../src/core/acl/acl.ts";
import { BypassRules } from "../../src/core/proxy/bypass_rules.ts";
import { LocalSockets } from "../../src/io/net/local_sockets.ts";
import { PosixNet } from "../../src/io/net/posix_net.ts";
import { Reactor } from "../../src/io/reactor/reactor.ts";
import { rng } from "../../src/cli/platform/rng.ts";
import { serveCases } from "../in_worker.ts";

const ALLOWED = { cidr: parseCidr("198.18.0.0/15"), port: null };

/** Entry of a Worker, where the reactor may block: a warm-up as the data plane runs it. */
serveCases(async (name) => {
  using libc = openLibc();
  using libcrypto = openLibcrypto();
  await using reactor = new Reactor(libc, "blocking");
  using sockets = new LocalSockets(libc);
  const mptcp = { dial: false, listen: false };
  const net = new PosixNet(reactor, { mptcp, calls: sockets.calls });
  const log = makeLogger(() => {}, Date.now, "error");
  const password = rng(32);
  /** Of each server that there was. */
  const counters: (() => ProxyCounters)[] = [];
  const common = {
    ...{ dialer: net, clock: reactor, wallClock: Date.now, rng, log, limits: DEFAULT_LIMITS },
    resolver: { resolve: () => Promise.reject(new Error("There are no names")) },
    wire: {
      cipher: "aes-256-gcm",
      makeCipher: libcrypto.makeCipher,
      range: { first: 20_000, last: 30_000 },
      mostText: undefined,
    },
  } as const;
  const warmUp = proxyWarmUp({
    ...{ clock: reactor, log, net, isBusy: () => false },
    client: (listener, signal) => ({
      ...{ ...common, signal, password, server: "127.0.0.1", listener },
      ...{ direct: new BypassRules([]), checksServer: true, isEager: true, auth: null, link: null },
    }),
    server: (signal) => ({
      preciseNow: () => performance.now(),
      ...{ ...common, signal, keys: [{ name: "", password }], host: "", links: null },
      onCounters: (given) => counters.push(given),
      listen: (at, o) => net.listen(at, o),
      rules: new Acl({ allow: [ALLOWED], deny: [] }),
    }),
  });
  const stop = new AbortController();
  if (name.includes("stopped")) {
    reactor.after(60, () => stop.abort());
    const began = performance.now();
    await assert.rejects(warmUp.run(stop.signal), /abort/i);
    assert(performance.now() - began < 1000);
    return;
  }
  await warmUp.run(stop.signal);
  const served = counters.map((count) => count().served);
  assert.equal(served.length, 7, "a server for each cycle");
  assert(served.slice(0, -1).every((count) => count >= 24), `${served}`);
  assert(served.at(-1)! > 100, `${served}`);
  assert(counters.every((count) => count().connections === 0), "connections are left");
});
