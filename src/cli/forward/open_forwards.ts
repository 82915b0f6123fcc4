import { DEFAULT_LIMITS, limitsFor } from "../../app/net/connection_limits.ts";
import type { ForwardClientOptions } from "../../app/system/forward_client.ts";
import { FORWARD_LIMITS, listenForwards } from "../../app/system/forwards.ts";
import type { Logger } from "../../base/log.ts";
import type { Net, SocketPlatform } from "../platform/platform.ts";
import type { ClientForwards } from "./plane_config.ts";

export interface OpenForwardsTools {
  readonly platform: SocketPlatform;
  readonly net: Net;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Opens a client's listeners. @throws {TtunError} if one cannot listen and that is to be an end */
export function openForwards(
  { specs, exitOnFailure, keepMs }: ClientForwards,
  { platform, net, log, signal }: OpenForwardsTools,
): Pick<ForwardClientOptions, "forwards" | "limits" | "keepMs"> {
  return {
    forwards: listenForwards({
      specs,
      listen: (at, o) => net.listen(at, o),
      exitOnFailure,
      log,
      signal,
    }),
    limits: limitsFor({ ...DEFAULT_LIMITS, ...FORWARD_LIMITS }, platform.descriptors, log),
    keepMs,
  };
}
