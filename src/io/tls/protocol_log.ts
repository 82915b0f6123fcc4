import type { Logger } from "../../base/log.ts";

/** Logs which protocol of ALPN the two ends have agreed on; null = one of them names none. */
export function logProtocol(log: Logger | undefined, peer: string, protocol: string | null): void {
  if (log?.isDebug === true) log.debug("TLS protocol", { peer, alpn: protocol ?? "none" });
}
