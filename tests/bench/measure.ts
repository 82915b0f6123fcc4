/** All figures of one contender in one round, through a tunnel of its own. */
import type { TwoHosts } from "../netns.ts";
import type { Mtu, ReadyContender } from "./contender.ts";
import { iperf, startLoad } from "./iperf.ts";
import { ping, type RoundTrip } from "./ping.ts";
import { withTunnel } from "./tunnel.ts";
import { cpuSeconds, peakMb } from "./usage.ts";

/** Before pings are counted: until code that is compiled as it runs has been, as it is in a tunnel's life. */
const WARM_PINGS = 2000;

/** NaN where there is nothing to measure. */
export interface Figures {
  /** Mbit/s: from the client to the server, back, and the same with four streams. */
  up: number;
  down: number;
  fourUp: number;
  fourDown: number;
  /** Milliseconds. */
  idleP50: number;
  idleP99: number;
  loadP50: number;
  loadP99: number;
  /** CPU seconds of both ends together for a gigabyte of the single stream up. */
  cpuPerGb: number;
  /** MB of the end that took more. */
  peakMb: number;
}

export interface Conditions {
  mtu: Mtu;
  /** Of each throughput run. */
  seconds: number;
}

/** `loadMbits`: rate of the traffic that the tunnel is pinged under; null for none. */
export function measure(
  contender: ReadyContender,
  { mtu, seconds, loadMbits }: Conditions & { loadMbits: number | null },
): Promise<Figures> {
  const { inner } = contender;
  return withTunnel(contender, mtu, async (hosts, ends) => {
    const cpuBefore = cpuSeconds(ends);
    const up = await iperf(hosts, inner, seconds);
    const cpu = cpuSeconds(ends) - cpuBefore;
    const down = await iperf(hosts, inner, seconds, "-R");
    const fourUp = await iperf(hosts, inner, seconds, "-P", "4");
    const fourDown = await iperf(hosts, inner, seconds, "-P", "4", "-R");
    await ping(hosts.client, inner, { count: WARM_PINGS });
    const idle = await ping(hosts.client, inner);
    const load = await pingUnderLoad(hosts, inner, loadMbits);
    return {
      up: up.mbits,
      down: down.mbits,
      fourUp: fourUp.mbits,
      fourDown: fourDown.mbits,
      idleP50: idle.p50,
      idleP99: idle.p99,
      loadP50: load.p50,
      loadP99: load.p99,
      cpuPerGb: ends.length === 0 ? NaN : cpu / (up.bytes / 1e9),
      peakMb: peakMb(ends),
    };
  });
}

/** Mbit/s of a single stream up, alone. */
export function measureUp(
  contender: ReadyContender,
  { mtu, seconds }: Conditions,
): Promise<number> {
  return withTunnel(
    contender,
    mtu,
    async (hosts) => (await iperf(hosts, contender.inner, seconds)).mbits,
  );
}

async function pingUnderLoad(
  hosts: TwoHosts,
  to: string,
  mbits: number | null,
): Promise<RoundTrip> {
  if (mbits === null) return { p50: NaN, p99: NaN };
  await using _load = await startLoad(hosts, to, mbits);
  return await ping(hosts.client, to);
}
