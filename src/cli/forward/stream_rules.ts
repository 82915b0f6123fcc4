import type { TunClientFlags, TunServerFlags } from "../tun/options.ts";
import { DEFAULT_KEEP, DEFAULT_UDP_IDLE } from "../command/session_options.ts";
import type { ClientForwards, StreamRules } from "./plane_config.ts";

/** Bytes per second of a pair: a video call, and a file that need not be there at once. */
const DEFAULT_RELAY_RATE = 4_000_000;

/** Reads from the command line what a server lets forwards do. */
export function streamRules(options: TunServerFlags): StreamRules {
  const { allow, deny, permitListen, permitRelay, relayRate, keepSession, udpIdle } = options;
  return {
    allow: (allow ?? []).flat(),
    deny: (deny ?? []).flat(),
    permitListen: permitListen ?? [],
    relayRate: permitRelay ? relayRate ?? DEFAULT_RELAY_RATE : 0,
    keepMs: (keepSession ?? DEFAULT_KEEP) * 1000,
    udpIdleMs: (udpIdle ?? DEFAULT_UDP_IDLE) * 1000,
  };
}

/** Reads a client's forwards. */
export function clientForwards(options: TunClientFlags): ClientForwards {
  return {
    specs: [...options.local ?? [], ...options.dynamic ?? []],
    remotes: options.remote ?? [],
    exitOnFailure: options.exitOnForwardFailure,
    keepMs: (options.keepSession ?? DEFAULT_KEEP) * 1000,
    udpIdleMs: (options.udpIdle ?? DEFAULT_UDP_IDLE) * 1000,
  };
}

export function hasForwards({ local, remote, dynamic }: TunClientFlags): boolean {
  return local !== undefined || remote !== undefined || dynamic !== undefined;
}
