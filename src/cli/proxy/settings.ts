import type { ProxyConfig } from "./plane_config.ts";
import { type ProxyFlags, wireOf } from "./options.ts";

export function settingsOf(
  options: ProxyFlags,
): Pick<
  ProxyConfig,
  "aead" | "wire" | "warmUp" | "segmentSize" | "congestion" | "limits" | "user"
> {
  return {
    aead: options.aead,
    wire: wireOf(options),
    segmentSize: options.segmentSize,
    warmUp: !options.noWarmUp,
    congestion: options.congestion,
    limits: {
      total: options.connections,
      perAddress: options.perAddress,
      idleMs: options.idle === 0 ? Infinity : options.idle * 1000,
      halfClosedMs: options.halfClosed === 0 ? Infinity : options.halfClosed * 1000,
      connectMs: options.connectTimeout * 1000,
    },
    user: options.user,
  };
}
