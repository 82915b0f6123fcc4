/** A tunnel between two new hosts for one measurement. */
import { type TwoHosts, twoHosts } from "../netns.ts";
import type { Mtu, ReadyContender, TunnelEnd } from "./contender.ts";
import { iperf } from "./iperf.ts";
import { useCongestion } from "./unpaced.ts";

/** Of each end's output, what an error repeats. */
const LINES_TOLD = 5;

/** Starts the tunnel, warms it up, and ends everything when `work` is done. */
export function withTunnel<T>(
  contender: Pick<ReadyContender, "inner" | "start">,
  mtu: Mtu,
  work: (hosts: TwoHosts, ends: TunnelEnd[]) => Promise<T>,
): Promise<T> {
  return withFreshTunnel(contender, mtu, async (hosts, ends) => {
    await iperf(hosts, contender.inner, 1);
    return await work(hosts, ends);
  });
}

/** Runs with a tunnel that nothing has gone through. */
export async function withFreshTunnel<T>(
  { start }: Pick<ReadyContender, "start">,
  mtu: Mtu,
  work: (hosts: TwoHosts, ends: TunnelEnd[]) => Promise<T>,
  congestion = "reno",
): Promise<T> {
  await using hosts = await twoHosts();
  await useCongestion(congestion, hosts.server, hosts.client);
  await using cleanup = new AsyncDisposableStack();
  const ends = await start(hosts, mtu);
  for (const { process } of ends) cleanup.use(process); // ends before the host that it runs on
  try {
    return await work(hosts, ends);
  } catch (error) {
    const output = ends.map(({ process }) => process.output.split("\n").slice(-LINES_TOLD));
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`${text}; the ends said: ${output.flat().join(" / ")}`, { cause: error });
  }
}
