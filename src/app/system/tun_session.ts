import type { Logger } from "../../base/log.ts";
import { onAbort, scope } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import type { Link } from "../../contract/link.ts";
import type { Traffic } from "../tun/counters.ts";
import type { PortOptions, TunRouter } from "../tun/tun_router.ts";
import type { PeerLink } from "../link/config.ts";

/**
 * Carries packets for a link until the peer ends it, and watches the peer meanwhile.
 * @throws what broke the link, or what the watch found
 */
export async function runSession(
  { watch }: PeerLink,
  link: Link,
  router: TunRouter,
  port: PortOptions,
  signal: AbortSignal,
): Promise<void> {
  await scope(signal, async (tasks) => {
    using _end = onAbort(tasks.signal, () => startClose(link));
    if (watch !== undefined) tasks.spawn((s) => watch(s));
    await router.session(link, port);
    tasks.cancel();
  });
}

/** What the weaker version costs, each time that it is spoken though the better one was wanted. */
export function warnOfV1(log: Pick<Logger, "warn">, peer: string): void {
  log.warn(
    "version 1 of the wire is spoken: no forward secrecy, and a weak key can be guessed from a " +
      "recording; update the other end",
    { peer },
  );
}

/** How long a session lasted and what it carried, for the log. */
export function sessionFacts(
  clock: Clock,
  since: number,
  traffic: Traffic,
  rttMs: number = NaN,
): { seconds: number; sent_bytes: number; received_bytes: number; rtt_ms?: number } {
  return {
    ...(Number.isNaN(rttMs) ? {} : { rtt_ms: rttMs }),
    seconds: Math.round((clock.now() - since) / 100) / 10,
    sent_bytes: traffic.sentBytes,
    received_bytes: traffic.receivedBytes,
  };
}
