import type { ProxyLinkUse } from "../../app/system/proxy_options.ts";
import { proxyWarmUp, SHORT_CYCLES } from "../../app/system/proxy_warm_up.ts";
import { DEFAULT_LIMITS } from "../../app/net/connection_limits.ts";
import type { ProxyCounters } from "../../app/net/proxy_host.ts";
import { makeLogger } from "../../base/log.ts";
import { parseRule } from "../../core/acl/rule.ts";
import { LocalSockets } from "../../io/net/local_sockets.ts";
import { PosixNet } from "../../io/net/posix_net.ts";
import type { PlaneTools } from "../plane/run_plane.ts";
import { reactorToWarm, runWarmUp } from "../plane/warm_up.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
import {
  type ClientEnd,
  clientOptions,
  commonOptions,
  linkServing,
  linkUse,
  type ServerEnd,
  serverOptions,
} from "./end_options.ts";
import type { ProxyConfig } from "./plane_config.ts";

/** Away from the warm-up's other ports (app/system/proxy_warm_up.ts). */
const RANGE = { first: 20_000, last: 30_000 };

/** For the network for benchmarks, where the warm-up's web server is. */
const ALLOWED = "198.18.0.0/15";

/** The warm-up has some forty open at a time: where there are few, real connections need them. */
const LEAST_DESCRIPTORS = 1024;

/**
 * Runs the proxy on connections of its own, over pairs of sockets, until V8 has optimized its code:
 * a user's first connections would be interpreted otherwise. Nothing of it reaches a network, a
 * counter or the log. Returns null where it has no use, or descriptors are few. `counters` are those
 * of real connections.
 */
export function startWarmUp(
  config: ProxyConfig,
  tools: PlaneTools<SocketPlatform, null>,
  counters: () => Pick<ProxyCounters, "connections" | "served">,
): AsyncDisposable | null {
  const { platform } = tools;
  const reactor = reactorToWarm(config.warmUp, platform);
  if (reactor === null || platform.descriptors < LEAST_DESCRIPTORS) return null;
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
    onTraffic: () => {}, // real ones have it, and V8 tells objects by their properties
    onCounters: () => {},
  });
  const client: ClientEnd = {
    ...{ role: "client", server: "127.0.0.1", listen: { host: "127.0.0.1", port: 0 } },
    ...{ password, direct: [], isEager: config.end.role === "client" && config.end.isEager },
    auth: null,
  };
  const keys = [{ name: "", password }];
  // A copy, as the rules that come from the main thread are: V8 tells them from others by that.
  const allow = structuredClone(parseRule(ALLOWED));
  const server: ServerEnd = { role: "server", host: "", keys, allow: [...allow], deny: [] };
  const secret = rng(32);
  const linkAt = (cycle: number): ProxyLinkUse | null => {
    // Where the other end may speak either wire, tt has every other one of the short cycles.
    if (config.wire.mode === "auto" && cycle < SHORT_CYCLES && cycle % 2 === 0) return null;
    const link = linkUse(config, tools);
    return link && { ...link, sessions: undefined, secretOf: () => Promise.resolve(secret) };
  };
  const links = linkServing(config, tools);
  const serving = links &&
    { ...links, sessions: undefined, secretOf: () => Promise.resolve(secret) };
  let seen = 0;
  const warmUp = proxyWarmUp({
    ...{ clock: reactor, log: quiet, net },
    client: (listener, signal, cycle) =>
      clientOptions(common(signal), client, listener, linkAt(cycle)),
    server: (signal) =>
      serverOptions(common(signal), server, (at, o) => net.listen(at, o), () => false, serving),
    isBusy: () => {
      const { connections, served } = counters();
      return seen !== (seen = served) || connections > 0;
    },
  });
  const owned = new AsyncDisposableStack();
  owned.use(sockets);
  owned.use(runWarmUp(warmUp, tools));
  return owned;
}
