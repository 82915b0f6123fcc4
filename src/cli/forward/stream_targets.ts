import { DEFAULT_LIMITS } from "../../app/net/connection_limits.ts";
import { directOutbound } from "../../app/net/direct_outbound.ts";
import { forwardLimits } from "../../app/system/forwards.ts";
import type { StreamHostOptions } from "../../app/system/stream_server.ts";
import type { Logger } from "../../base/log.ts";
import type { Resolver } from "../../contract/host.ts";
import { Acl } from "../../core/acl/acl.ts";
import { ListenRules } from "../../core/acl/listen_rules.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import type { PlanePort } from "../plane/worker_port.ts";
import { udpSockets } from "../platform/udp_sockets.ts";
import type { StreamRules } from "./plane_config.ts";

export interface StreamTools {
  readonly platform: SocketPlatform;
  readonly resolver: Resolver;
  readonly opened: AsyncDisposableStack;
  readonly log: Logger;
  readonly io: "auto" | "ffi" | "deno";
  readonly port: Pick<PlanePort<unknown>, "onRules">;
}

/**
 * Loads what listening for clients needs, while there are permissions to do it: rules that come
 * later may have unix sockets.
 */
export function prepareListens({ libc }: Pick<SocketPlatform, "libc">): void {
  libc?.openRare();
}

/** Connects to the targets of a server's streams, and listens for clients, as far as rules go. */
export function streamTargets(
  { allow, deny, permitListen, relayRate, keepMs, udpIdleMs }: StreamRules,
  { platform, resolver, opened, log, io, port }: StreamTools,
): Pick<
  StreamHostOptions,
  "outbound" | "listenRules" | "listen" | "datagrams" | "limits" | "keepMs" | "relay"
> {
  const own = opened.use(platform.ownAddresses());
  const rules = new Acl({ allow, deny, isOwn: (ip) => own.has(ip) });
  const listenRules = new ListenRules(permitListen);
  port.onRules((given) => {
    rules.replace(given);
    listenRules.replace(given.permitListen);
  });
  const net = platform.openNet({ io, mptcp: false, segmentBytes: {} }, log);
  return {
    keepMs,
    ...(relayRate > 0 && { relay: { bytesPerSecond: relayRate } }),
    limits: forwardLimits(platform.descriptors, log),
    outbound: directOutbound({
      dialer: net,
      resolver,
      clock: platform.clock,
      connectMs: DEFAULT_LIMITS.connectMs,
      rules,
    }),
    datagrams: { sockets: udpSockets(platform), resolver, rules, idleMs: udpIdleMs },
    listenRules,
    listen: (at, o) => net.listen(at, o),
  };
}
