/**
 * `deno run -A tests/bench/probes.ts [probes] [rounds]`: what strangers cost who knock while a
 * transfer runs: its throughput with that many connections of random bytes in its time, beside the
 * same without. Prints medians. Needs root and iperf3.
 */
import { type TwoHosts, twoHosts } from "../netns.ts";
import { iperf } from "./iperf.ts";
import { format } from "./results.ts";
import { median } from "./statistics.ts";
import { startTtun, TTUN_INNER } from "./ttun.ts";

const PROBES = Number(Deno.args[0] ?? 10_000);
const ROUNDS = Number(Deno.args[1] ?? 5);
const SECONDS = 10;
const PROBER = new URL("./prober.ts", import.meta.url).pathname;

/** Starts the strangers' program, which knocks evenly over the time of a transfer. */
function probe({ client }: TwoHosts) {
  return client.spawn(Deno.execPath(), [
    "run",
    "-A",
    PROBER,
    "192.0.2.1",
    "20203",
    `${PROBES}`,
    `${SECONDS}`,
  ]);
}

const ratios: number[] = [];
for (let round = 1; round <= ROUNDS; round++) {
  await using hosts = await twoHosts();
  await using ends = new AsyncDisposableStack();
  const started = await startTtun(
    hosts,
    { wire: "v2", aead: "native", cipher: "aes-256-gcm" },
    null,
  );
  for (const { process } of started) ends.use(process);
  await iperf(hosts, TTUN_INNER, 1);
  const quiet = await iperf(hosts, TTUN_INNER, SECONDS);
  await using prober = probe(hosts);
  await prober.waitFor(/begins/);
  const probed = await iperf(hosts, TTUN_INNER, SECONDS);
  const [said] = await prober.waitFor(/\d+ of \d+ probes.*/, 60_000);
  ratios.push(probed.mbits / quiet.mbits);
  console.error(
    `round ${round}: ${format(quiet.mbits, 0)} -> ${format(probed.mbits, 0)} Mbit/s; ${said}`,
  );
}
console.log(
  `With ${PROBES} probes in ${SECONDS} s a transfer keeps ${format(median(ratios), 2)} of its ` +
    `throughput (median of ${ROUNDS} rounds).`,
);
