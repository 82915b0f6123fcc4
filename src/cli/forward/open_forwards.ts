import { DEFAULT_LIMITS } from "../../app/net/connection_limits.ts";
import type { ForwardClientOptions } from "../../app/system/forward_client.ts";
import { directOutbound } from "../../app/net/direct_outbound.ts";
import { listenForwards, noUdp } from "../../app/system/forward_table.ts";
import { forwardLimits } from "../../app/system/forwards.ts";
import { RemoteForwardTable } from "../../app/system/remote_forwards.ts";
import type { Logger } from "../../base/log.ts";
import type { DatagramBinder } from "../../contract/datagrams.ts";
import type { Resolver } from "../../contract/host.ts";
import { isUdp } from "../../core/forward/spec.ts";
import { udpSockets } from "../platform/udp_sockets.ts";
import type { Net, SocketPlatform } from "../platform/platform.ts";
import type { ClientForwards } from "./plane_config.ts";

export interface OpenForwardsTools {
  readonly platform: SocketPlatform;
  readonly net: Net;
  readonly resolver: Resolver;
  readonly io: "auto" | "ffi" | "deno";
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Opens a client's listeners. @throws {TtunError} if one cannot listen and that is to be an end */
export function openForwards(
  { specs, remotes, exitOnFailure, keepMs, udpIdleMs }: ClientForwards,
  { platform, net, resolver, io, log, signal }: OpenForwardsTools,
): Pick<ForwardClientOptions, "forwards" | "remote" | "bind" | "udpIdleMs" | "limits" | "keepMs"> {
  const sockets = udpSockets(platform);
  const bind: DatagramBinder["bind"] | null = sockets === null
    ? null
    : (at, o) => sockets.bind(at, o);
  if (sockets === null && remotes.some(isUdp)) throw noUdp();
  return {
    forwards: listenForwards({
      specs,
      listen: (at, o) => net.listen(at, o),
      bind,
      exitOnFailure,
      log,
      signal,
    }),
    remote: {
      table: new RemoteForwardTable(remotes),
      outbound: directOutbound({
        dialer: platform.openNet({ io, mptcp: false, segmentBytes: {} }, log),
        resolver,
        clock: platform.clock,
        connectMs: DEFAULT_LIMITS.connectMs,
        rules: null, // nothing but the targets of this end's own forwards is asked for
      }),
      datagrams: { sockets, resolver },
      exitOnFailure,
    },
    bind,
    udpIdleMs,
    limits: forwardLimits(platform.descriptors, log),
    keepMs,
  };
}
