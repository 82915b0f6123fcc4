/** Pings through a tunnel that nothing has gone through yet, with the CPU time that both ends take. */
import type { TwoHosts } from "../../netns.ts";
import type { Mtu, ReadyContender } from "../contender.ts";
import { pingTimes } from "../ping.ts";
import { median, quantile } from "../statistics.ts";
import { withFreshTunnel } from "../tunnel.ts";
import { runSeconds } from "../usage.ts";

/** How many pings at which interval in milliseconds, each series through a tunnel of its own. */
export const SERIES: readonly (readonly [count: number, intervalMs: number])[] = [
  [30, 1000],
  [100, 200],
  [1000, 50],
  [1000, 2],
];

/** Milliseconds, but for CPU: milliseconds of both ends for a ping. */
export interface PingFigures {
  first: number;
  /** Medians of the pings 2 to 20, and of all behind the first half. */
  early: number;
  late: number;
  /** 99.9 of 100 are quicker; where there are fewer than a thousand, the longest but the first. */
  worst: number;
  cpu: number;
  /** Of the pings behind the first half: a warm-up and a compiler have done their work by then. */
  lateCpu: number;
}

export function measurePings(
  contender: ReadyContender,
  mtu: Mtu,
  [count, intervalMs]: readonly [number, number],
  congestion: string,
): Promise<PingFigures> {
  return withFreshTunnel(contender, mtu, async ({ client }, ends) => {
    const cpu = () => ends.length === 0 ? NaN : runSeconds(ends);
    const half = { count: count / 2, intervalMs };
    const began = cpu();
    const times = await pingTimes(client, contender.inner, half);
    const middle = cpu();
    times.push(...await pingTimes(client, contender.inner, half));
    const ended = cpu();
    return {
      first: times[0]!,
      early: median(times.slice(1, 20)),
      late: median(times.slice(count / 2)),
      worst: quantile(times.slice(1), 0.999),
      cpu: (ended - began) * 1000 / count,
      lateCpu: (ended - middle) * 1000 / half.count,
    };
  }, congestion);
}

/** Seconds from the start of the first end to the first answer; both ends start one after the other. */
export async function measureStart(
  { inner, start }: ReadyContender,
  mtu: Mtu,
  congestion: string,
): Promise<number> {
  let began = 0;
  const timed = (hosts: TwoHosts) => {
    began = performance.now();
    return start(hosts, mtu);
  };
  return await withFreshTunnel({ start: timed }, mtu, async ({ client }) => {
    await pingTimes(client, inner, { count: 1, intervalMs: 2 });
    return (performance.now() - began) / 1000;
  }, congestion);
}
