import type { Logger } from "../../base/log.ts";
import { CAP_NET_ADMIN, passToPrograms } from "../../../ffi/linux/capabilities.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { findLeftovers, type Leftover, repair } from "../../io/changes/repair.ts";

/**
 * Repairs what dead processes have left but for their kill switches, and returns those. Failures are
 * for the log: the start goes on.
 */
export function repairAtStart(
  folder: string,
  { libc, log }: { readonly libc: Libc; readonly log: Logger },
): Leftover[] {
  try {
    using _passed = passToPrograms(libc, CAP_NET_ADMIN);
    const done = repair(findLeftovers(libc, folder), libc, { keepsOutliving: true });
    for (const { pid, what, failure, left } of done) {
      if (left !== undefined) log.warn(left, { pid });
      else if (failure === undefined) {
        log.info("took away what a killed ttun had left", { pid, what });
      } else log.warn("cannot take away what a killed ttun has left", { pid, what, why: failure });
    }
    return findLeftovers(libc, folder).filter(({ open }) => open.length > 0);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    log.warn("cannot look for what killed ttuns have left", { why: error.message });
    return [];
  }
}
