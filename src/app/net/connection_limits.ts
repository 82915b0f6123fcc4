import type { Logger } from "../../base/log.ts";
import type { ProxyLimits } from "../system/proxy_options.ts";

/** Descriptors for listeners, name servers, files and strangers: what clients do takes none of them. */
const RESERVE = 256;

/** Of few descriptors a quarter is kept instead: the process itself has some sixty open. */
const RESERVED_PART = 1 / 4;

/** Limits that the process's descriptors allow: a connection takes two, one for each side. */
export function limitsFor(limits: ProxyLimits, descriptors: number, log: Logger): ProxyLimits {
  const reserve = Math.min(RESERVE, Math.ceil(descriptors * RESERVED_PART));
  const most = Math.max(1, Math.floor((descriptors - reserve) / 2));
  if (limits.total <= most || descriptors === Infinity) return limits;
  log.info(
    "fewer connections at once than --connections says, for want of descriptors (ulimit -n)",
    {
      connections: most,
      descriptors,
    },
  );
  return { ...limits, total: most, perAddress: Math.min(limits.perAddress, most) };
}
