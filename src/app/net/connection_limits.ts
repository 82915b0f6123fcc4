import type { Logger } from "../../base/log.ts";

export interface ProxyLimits {
  readonly total: number;
  /** Connections of one IPv4 address, or one IPv6 /64. */
  readonly perAddress: number;
  /** Silence after which a connection is closed; Infinity = never. */
  readonly idleMs: number;
  /** Silence after which a connection is closed if one way has ended. */
  readonly halfClosedMs: number;
  /** Time for a target to answer, its name's resolution included. */
  readonly connectMs: number;
}

export const DEFAULT_LIMITS: ProxyLimits = {
  total: 16_384,
  perAddress: 8192, // a client, with all its programs behind it, is one address
  idleMs: 3_600_000,
  halfClosedMs: 300_000, // for programs that end their input and wait for a long answer
  connectMs: 10_000,
};

/** Descriptors reserved for listeners, name servers, files and pending connections. */
const RESERVE = 256;

/** Reserved part of few descriptors, if a connection takes two; the process itself has 60 open. */
const RESERVED_PART = 1 / 4;

/** Lowers the limits to what descriptors allow: a connection takes `each`. */
export function limitsFor(
  limits: ProxyLimits,
  descriptors: number,
  log: Logger,
  each = 2,
): ProxyLimits {
  const reserve = Math.min(RESERVE, Math.ceil(descriptors * RESERVED_PART * 2 / each));
  const most = Math.max(1, Math.floor((descriptors - reserve) / each));
  if (limits.total <= most || descriptors === Infinity) return limits;
  log.info(
    "fewer connections at once than there may be, for want of descriptors (ulimit -n)",
    {
      connections: most,
      descriptors,
    },
  );
  return { ...limits, total: most, perAddress: Math.min(limits.perAddress, most) };
}
