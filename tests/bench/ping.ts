/** Round trip times by ping: a thousand, one every two milliseconds. */
import type { Host } from "../netns.ts";
import { quantile } from "./statistics.ts";

const COUNT = 1000;
const INTERVAL_SECONDS = "0.002";
const LINGER_SECONDS = "2";

/** Milliseconds; infinite where so many pings were not answered. */
export interface RoundTrip {
  p50: number;
  p99: number;
}

export async function ping(host: Host, to: string): Promise<RoundTrip> {
  const args = ["-c", `${COUNT}`, "-i", INTERVAL_SECONDS, "-W", LINGER_SECONDS, to];
  const { stdout, stderr, timedOut } = await host.run("ping", args);
  if (timedOut || !stdout.includes("packets transmitted")) {
    throw new Error(`ping ${to} failed: ${stdout.slice(-300)}${stderr}`);
  }
  const times = Array<number>(COUNT).fill(Infinity);
  for (
    const [, sequence, time] of stdout.matchAll(/icmp_seq=(\d+) .*time=([\d.]+) ms(?! \(DUP)/g)
  ) {
    times[(Number(sequence) - 1) % COUNT] = Number(time);
  }
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}
