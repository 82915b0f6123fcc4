/** Traffic by iperf3 from the client to the server of two hosts, or back with `-R`. */
import type { Process, TwoHosts } from "../netns.ts";

/** Most time of a run beyond its length: seconds, with many flows through a slow tunnel. */
const GRACE_MS = 30_000;

/** Counts of a run's receiving end. */
export interface Received {
  mbits: number;
  bytes: number;
  seconds: number;
  /** Only of UDP. */
  packets: number;
  lostPackets: number;
}

export async function iperf(
  { server, client }: Pick<TwoHosts, "server" | "client">,
  to: string,
  seconds: number,
  ...args: string[]
): Promise<Received> {
  const { sum_received: sum } = (await run({ server, client }, to, seconds, args)).end;
  return {
    mbits: sum.bits_per_second / 1e6,
    bytes: sum.bytes,
    seconds: sum.seconds,
    packets: (sum.packets ?? 0) - (sum.lost_packets ?? 0),
    lostPackets: sum.lost_packets ?? 0,
  };
}

/** Mbit/s of each second, as the sender counted. */
export async function iperfSeconds(
  hosts: Pick<TwoHosts, "server" | "client">,
  to: string,
  seconds: number,
): Promise<number[]> {
  const { intervals } = await run(hosts, to, seconds, ["-i", "1"]);
  return intervals.map(({ sum }) => sum.bits_per_second / 1e6);
}

/** The used part of iperf3's report. */
interface Report {
  intervals: { sum: { bits_per_second: number } }[];
  end: {
    sum_received: {
      bits_per_second: number;
      bytes: number;
      seconds: number;
      packets?: number;
      lost_packets?: number;
    };
  };
}

async function run(
  { server, client }: Pick<TwoHosts, "server" | "client">,
  to: string,
  seconds: number,
  args: string[],
): Promise<Report> {
  await using _listener = await listen(server);
  const { code, stdout, stderr, timedOut } = await client.run(
    "iperf3",
    ["-c", to, "-t", `${seconds}`, "-J", ...args],
    { timeoutMs: seconds * 1000 + GRACE_MS },
  );
  if (code === 0) return JSON.parse(stdout);
  const why = timedOut ? "did not end in time" : `failed: ${errorOf(stdout)}${stderr}`;
  throw new Error(`iperf3 -t ${seconds} ${args.join(" ")} ${why}`);
}

/** Traffic at a fixed rate until it is disposed of. */
export async function startLoad(
  { server, client }: TwoHosts,
  to: string,
  mbits: number,
): Promise<AsyncDisposable> {
  await using cleanup = new AsyncDisposableStack();
  cleanup.use(await listen(server));
  const rate = `${Math.round(mbits * 1000)}K`;
  const sender = cleanup.use(
    client.spawn("iperf3", ["-c", to, "-t", "60", "-i", "0.5", "-b", rate, "--forceflush"]),
  );
  await sender.waitFor(/bits\/sec/); // the first half second is over
  return cleanup.move();
}

async function listen(server: TwoHosts["server"]): Promise<Process> {
  const listener = server.spawn("iperf3", ["-s", "-1", "--forceflush"]);
  await listener.waitFor(/listening/i);
  return listener;
}

function errorOf(json: string): string {
  try {
    return JSON.parse(json).error;
  } catch {
    return json;
  }
}
