import type { Logger } from "../../base/log.ts";
import { challengeOf } from "../../core/gateway/host_challenge.ts";

/** Asks the machine's DNS servers where the challenges of a host lead; empty = nowhere, or no answer. */
export async function hostDelegation(
  host: string,
  log: Logger,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    return await Deno.resolveDns(`${challengeOf(host)}.`, "CNAME", { signal });
  } catch (error) {
    signal.throwIfAborted();
    log.debug("The proof of a host is not found", { host, why: String(error) });
    return [];
  }
}
