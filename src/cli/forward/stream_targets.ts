import { DEFAULT_LIMITS, limitsFor } from "../../app/net/connection_limits.ts";
import { directOutbound } from "../../app/net/direct_outbound.ts";
import { FORWARD_LIMITS } from "../../app/system/forwards.ts";
import type { StreamHostOptions } from "../../app/system/stream_server.ts";
import type { Logger } from "../../base/log.ts";
import type { Resolver } from "../../contract/host.ts";
import { Acl } from "../../core/acl/acl.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import type { StreamRules } from "./plane_config.ts";

export interface StreamTools {
  readonly platform: SocketPlatform;
  readonly resolver: Resolver;
  readonly opened: AsyncDisposableStack;
  readonly log: Logger;
  readonly io: "auto" | "ffi" | "deno";
}

/** Connects to the targets of a server's streams, as far as the rules go. */
export function streamTargets(
  { allow, deny, keepMs }: StreamRules,
  { platform, resolver, opened, log, io }: StreamTools,
): Pick<StreamHostOptions, "outbound" | "limits" | "keepMs"> {
  const own = opened.use(platform.ownAddresses());
  return {
    keepMs,
    limits: limitsFor({ ...DEFAULT_LIMITS, ...FORWARD_LIMITS }, platform.descriptors, log),
    outbound: directOutbound({
      dialer: platform.openNet({ io, mptcp: false, segmentBytes: {} }, log),
      resolver,
      clock: platform.clock,
      connectMs: DEFAULT_LIMITS.connectMs,
      rules: new Acl({ allow, deny, isOwn: (ip) => own.has(ip) }),
    }),
  };
}
