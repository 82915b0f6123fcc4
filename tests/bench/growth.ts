/**
 * `deno task bench:growth [rounds] [seconds]`: how ttun's costs grow with the number of packets and
 * of flows. UDP with IP packets of several sizes as fast as they go, and TCP in 1 to 64 parallel
 * flows, from one client to one server, version 2 with aes-256-gcm. Prints medians. Needs root and
 * iperf3.
 */
import { type Mtu, requireProgram, type StartTunnel } from "./contender.ts";
import { iperf, type Received } from "./iperf.ts";
import { format, table } from "./results.ts";
import { median } from "./statistics.ts";
import { startTtun, TTUN_INNER, type TtunOptions } from "./ttun.ts";
import { withTunnel } from "./tunnel.ts";
import { cpuSeconds } from "./usage.ts";

const ROUNDS = Number(Deno.args[0] ?? 3);
const SECONDS = Number(Deno.args[1] ?? 3);
const OPTIONS: TtunOptions = { wire: "v2", aead: "native", cipher: "aes-256-gcm" };
/** IP packets in bytes, and the MTU that they need. */
const SIZES: readonly { size: number; mtu: Mtu }[] = [
  { size: 64, mtu: null },
  { size: 576, mtu: null },
  { size: 1280, mtu: null },
  { size: 9000, mtu: 9000 },
];
const IP_AND_UDP_HEADER = 28;
const FLOWS = [1, 4, 16, 64];

interface Run extends Received {
  /** Of both ends together. */
  cpu: number;
}

/** One iperf3 through a tunnel of its own. */
function run(mtu: Mtu, ...args: string[]): Promise<Run> {
  const start: StartTunnel = (hosts, mtu) => startTtun(hosts, OPTIONS, mtu);
  return withTunnel({ inner: TTUN_INNER, start }, mtu, async (hosts, ends) => {
    const before = cpuSeconds(ends);
    const received = await iperf(hosts, TTUN_INNER, SECONDS, ...args);
    return { ...received, cpu: cpuSeconds(ends) - before };
  });
}

const bySize = new Map(SIZES.map(({ size }) => [size, [] as Run[]]));
const byFlows = new Map(FLOWS.map((flows) => [flows, [] as Run[]]));

await requireProgram("iperf3", "iperf3");
for (let round = 1; round <= ROUNDS; round++) {
  for (const { size, mtu } of SIZES) {
    const found = await run(mtu, "-u", "-b", "0", "-l", `${size - IP_AND_UDP_HEADER}`);
    bySize.get(size)!.push(found);
    console.error(`round ${round}: packets of ${size} bytes: ${JSON.stringify(found)}`);
  }
  for (const flows of FLOWS) {
    const found = await run(null, "-P", `${flows}`);
    byFlows.get(flows)!.push(found);
    console.error(`round ${round}: ${flows} flows: ${JSON.stringify(found)}`);
  }
}

const middle = (runs: readonly Run[], figure: (run: Run) => number, digits: number) =>
  format(median(runs.map(figure)), digits);

console.log(table(
  ["IP packet, bytes", "packets/s", "Mbit/s", "lost %", "CPU s per million packets"],
  [...bySize].map(([size, runs]) => [
    `${size}`,
    middle(runs, (run) => run.packets / run.seconds, 0),
    middle(runs, (run) => (run.packets * size * 8) / run.seconds / 1e6, 0),
    middle(runs, (run) => (100 * run.lostPackets) / (run.packets + run.lostPackets), 0),
    middle(runs, (run) => (run.cpu / run.packets) * 1e6, 2),
  ]),
));
console.log("");
console.log(table(
  ["TCP flows", "Mbit/s", "CPU s/GB"],
  [...byFlows].map(([flows, runs]) => [
    `${flows}`,
    middle(runs, (run) => run.mbits, 0),
    middle(runs, (run) => run.cpu / (run.bytes / 1e9), 2),
  ]),
));
console.log(`\nMedians of ${ROUNDS} rounds; CPU of both ends together.`);
