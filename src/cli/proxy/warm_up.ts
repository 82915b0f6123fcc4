import { ProxyWarmUp } from "../../app/system/proxy_warm_up.ts";
import { DEFAULT_LIMITS } from "../../app/net/connection_limits.ts";
import { parseCidr } from "../../base/addr.ts";
import { makeLogger } from "../../base/log.ts";
import { LocalSockets } from "../../io/net/local_sockets.ts";
import { PosixNet } from "../../io/net/posix_net.ts";
import type { PlaneTools } from "../plane/run_plane.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
import {
  type ClientEnd,
  clientOptions,
  commonOptions,
  type ServerEnd,
  serverOptions,
} from "./ends.ts";
import type { ProxyConfig } from "./plane_config.ts";

/** Away from the warm-up's other ports (app/system/proxy_warm_up.ts). */
const RANGE = { first: 20_000, last: 30_000 };

/** Of the network for benchmarks, where the warm-up's web server is. */
const ALLOWED = { cidr: parseCidr("198.18.0.0/15"), port: null };

/** The warm-up has some forty open at a time: where there are few, real connections need them. */
const LEAST_DESCRIPTORS = 1024;

/**
 * Runs the proxy on connections of its own, over pairs of sockets, until V8 has optimized its code:
 * a user's first connections would be interpreted otherwise. Nothing of it reaches a network, a
 * counter or the log. Begins at once, and ends with its disposal; null where it has no use: without
 * the reactor, with few descriptors, and with --no-warm-up. `served` counts real connections.
 */
export function startWarmUp(
  config: ProxyConfig,
  tools: PlaneTools<SocketPlatform, null>,
  served: () => number,
): AsyncDisposable | null {
  const { platform: { reactor, clock, descriptors }, signal, log } = tools;
  if (!config.warmUp || reactor === null || reactor.mode !== "blocking") return null;
  if (descriptors < LEAST_DESCRIPTORS) return null;
  const sockets = new LocalSockets(reactor.libc);
  const mptcp = { dial: false, listen: false };
  const net = new PosixNet(reactor, { mptcp, calls: sockets.calls });
  const quiet = makeLogger(() => {}, Date.now, "error");
  const password = rng(32);
  const own = { ...config, wire: { ...config.wire, range: RANGE } };
  const common = (signal: AbortSignal) => ({
    ...commonOptions(own, tools, { dialer: net, congestion: undefined, limits: DEFAULT_LIMITS }),
    log: quiet,
    signal,
    onCounters: () => {},
  });
  const client: ClientEnd = {
    ...{ role: "client", server: "127.0.0.1", listen: { host: "127.0.0.1", port: 0 } },
    ...{ password, direct: [], isEager: config.end.role === "client" && config.end.isEager },
    auth: null,
  };
  const keys = [{ name: "", password }];
  const server: ServerEnd = { role: "server", host: "", keys, allow: [ALLOWED], deny: [] };
  const warmUp = new ProxyWarmUp({
    ...{ clock, log: quiet, net, activity: served },
    client: (listener, signal) => clientOptions(common(signal), client, listener),
    server: (signal) =>
      serverOptions(common(signal), server, (at, o) => net.listen(at, o), () => false),
  });
  if (navigator.hardwareConcurrency < 2) warmUp.calm(); // the main thread needs the only core
  const stop = new AbortController();
  const running = warmUp.run(AbortSignal.any([signal, stop.signal])).then(
    () => log.debug("warmed up"),
    (error) => {
      if (!stop.signal.aborted && !signal.aborted) log.debug(`No warm-up: ${error}`);
    },
  );
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
      sockets[Symbol.dispose]();
    },
  };
}
