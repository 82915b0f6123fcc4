/** Round trip times by ping. */
import type { Host } from "../netns.ts";
import { quantile } from "./statistics.ts";

/** Where nothing at all was answered; else ping waits for the last ones twice the longest time. */
const LINGER_SECONDS = 2;

/** Milliseconds; infinite where so many pings were not answered. */
export interface RoundTrip {
  p50: number;
  p99: number;
}

/** By default a thousand, one every two milliseconds. */
export async function ping(
  host: Host,
  to: string,
  o: { count?: number; intervalMs?: number } = {},
): Promise<RoundTrip> {
  const times = await pingTimes(host, to, o);
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

/** Every round-trip time in order; infinite for a ping that was not answered. */
export async function pingTimes(
  host: Host,
  to: string,
  { count = 1000, intervalMs = 2 } = {},
): Promise<number[]> {
  const args = ["-c", `${count}`, "-i", `${intervalMs / 1000}`, "-W", `${LINGER_SECONDS}`, to];
  const timeoutMs = 2 * count * intervalMs + 30_000;
  const { stdout, stderr, timedOut } = await host.run("ping", args, { timeoutMs });
  if (timedOut || !stdout.includes("packets transmitted")) {
    throw new Error(`ping ${to} failed: ${stdout.slice(-300)}${stderr}`);
  }
  const times = Array<number>(count).fill(Infinity);
  for (
    const [, sequence, time] of stdout.matchAll(/icmp_seq=(\d+) .*time=([\d.]+) ms(?! \(DUP)/g)
  ) {
    times[(Number(sequence) - 1) % count] = Number(time);
  }
  return times;
}
