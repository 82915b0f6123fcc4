import type { Logger } from "../../base/log.ts";
import { onAbort, scope } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import type { Link } from "../../contract/link.ts";
import { droppedSince, type PacketCounters, type Traffic } from "../tun/counters.ts";
import type { PortOptions, TunRouter } from "../tun/tun_router.ts";
import type { DescribeSession } from "../../core/status/session_list.ts";
import type { SessionStatus } from "../../core/status/report.ts";
import type { PeerLink } from "../link/config.ts";

/** Ends with the peer; throws what broke the link, or what the watch found. */
export async function runSession(
  { drained, watch }: PeerLink,
  link: Link,
  router: TunRouter,
  port: PortOptions,
  signal: AbortSignal,
): Promise<void> {
  await scope(signal, async (tasks) => {
    using _end = onAbort(tasks.signal, () => startClose(link));
    if (watch !== undefined) tasks.spawn((s) => watch(s));
    await router.session(link, port);
    await drained?.(tasks.signal);
    tasks.cancel();
  });
}

/** Describes a session, whose only connection is its carrier; `known`: facts about a client. */
export function sessionDescriber(
  { wire, cipher, v2, rttMs = () => NaN }: Pick<PeerLink, "wire" | "cipher" | "v2" | "rttMs">,
  meter: SessionMeter,
  peer: string,
  known: Pick<SessionStatus, "name" | "addresses"> = {},
): DescribeSession {
  return () => {
    const rtt = rttMs();
    return {
      peer,
      wire,
      seconds: meter.ms / 1000,
      ...(cipher !== undefined && { cipher }),
      ...(v2 !== undefined && { idleSeconds: meter.msSince(v2.channel.lastArrival) / 1000 }),
      ...known,
      ...meter.traffic,
      carriers: [{ number: 1, peer, ...(!Number.isNaN(rtt) && { rttMs: rtt }) }],
    };
  };
}

/** Warns at each session of version 1 though version 2 was wanted. */
export function warnOfV1(log: Pick<Logger, "warn">, peer: string): void {
  log.warn(
    "version 1 of the wire is spoken: no forward secrecy, and a weak key can be guessed from a " +
      "recording; update the other end",
    { peer },
  );
}

export class SessionMeter {
  readonly traffic: Traffic = { sentBytes: 0, receivedBytes: 0 };
  readonly #clock: Clock;
  readonly #counters: PacketCounters;
  readonly #before: PacketCounters;
  readonly #since: number;

  /** The session begins now. */
  constructor(clock: Clock, counters: PacketCounters) {
    this.#clock = clock;
    this.#counters = counters;
    this.#before = { ...counters };
    this.#since = clock.now();
  }

  get ms(): number {
    return this.msSince(this.#since);
  }

  /** `time`: of the session's clock. */
  msSince(time: number): number {
    return this.#clock.now() - time;
  }

  /** `rttMs`: the last round-trip time; NaN = unknown. */
  facts(rttMs: number = NaN): Record<string, number> {
    return {
      ...(Number.isNaN(rttMs) ? {} : { rtt_ms: rttMs }),
      seconds: Math.round(this.ms / 100) / 10,
      sent_bytes: this.traffic.sentBytes,
      received_bytes: this.traffic.receivedBytes,
      ...droppedSince(this.#before, this.#counters),
    };
  }
}
