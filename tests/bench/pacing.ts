/**
 * `deno task bench:pacing [rounds] [seconds]`: what BBR costs where the path needs no pacing, beside
 * CUBIC and by turns: a tunnel between two namespaces and the proxy on loopback, on hosts whose own
 * choice is BBR. Prints medians and the medians of the ratios with their 95 % intervals. Needs root,
 * iperf3, ping and a kernel with both.
 */
import { TemporaryFiles } from "../temporary_files.ts";
import { requireProgram } from "./contender.ts";
import { iperf } from "./iperf.ts";
import { ping } from "./ping.ts";
import type { BulkFound, RateFound } from "./proxy/found.ts";
import { cpuSeconds as pairCpuSeconds } from "./proxy/family.ts";
import { runLoad, withPair, WORKERS } from "./proxy/measure.ts";
import { proxy } from "./proxy/ttun.ts";
import { table } from "./results.ts";
import { median, medianInterval } from "./statistics.ts";
import { startTtun, TTUN_INNER } from "./ttun.ts";
import { withFreshTunnel } from "./tunnel.ts";
import { cpuSeconds } from "./usage.ts";

const ROUNDS = Number(Deno.args[0] ?? 6);
const SECONDS = Number(Deno.args[1] ?? 2);
const CHOICES = ["bbr", "cubic"] as const;
const SYSTEM = "bbr";
const CIPHER = "aes-256-gcm";
/** Of each kind of load before it counts. */
const WARM_SECONDS = 1;
const WARM_PINGS = 1000;

type Figures = Record<string, number>;

function throughTunnel(congestion: string): Promise<Figures> {
  const options = { wire: "v2", aead: "native", cipher: CIPHER, congestion } as const;
  const start = {
    start: (hosts: Parameters<typeof startTtun>[0]) => startTtun(hosts, options, null),
  };
  return withFreshTunnel(start, null, async (hosts, ends) => {
    await iperf(hosts, TTUN_INNER, WARM_SECONDS);
    const before = cpuSeconds(ends);
    const up = await iperf(hosts, TTUN_INNER, SECONDS);
    const cpu = cpuSeconds(ends) - before;
    const down = await iperf(hosts, TTUN_INNER, SECONDS, "-R");
    await ping(hosts.client, TTUN_INNER, { count: WARM_PINGS });
    const idle = await ping(hosts.client, TTUN_INNER);
    return {
      "tunnel: up, Mbit/s": up.mbits,
      "tunnel: down, Mbit/s": down.mbits,
      "tunnel: CPU s/GB": cpu / (up.bytes / 1e9),
      "tunnel: ping p50, ms": idle.p50,
      "tunnel: ping p99, ms": idle.p99,
    };
  }, SYSTEM);
}

async function throughProxy(congestion: string): Promise<Figures> {
  const contender = proxy({ cipher: CIPHER, mtu: null, congestion });
  using files = new TemporaryFiles();
  const ready = { ...contender, start: await contender.prepare(files) };
  return await withPair(ready, async (host, pair) => {
    const bulk = (seconds: number) => runLoad<BulkFound>(host, pair, ["down", 1, seconds]);
    const short = (seconds: number) => runLoad<RateFound>(host, pair, ["rate", WORKERS, seconds]);
    await bulk(WARM_SECONDS);
    const before = pairCpuSeconds(pair);
    const down = await bulk(SECONDS);
    const bulkCpu = pairCpuSeconds(pair) - before;
    await short(WARM_SECONDS);
    const between = pairCpuSeconds(pair);
    const rate = await short(SECONDS);
    const rateCpu = pairCpuSeconds(pair) - between;
    return {
      "proxy: down, MB/s": down.mbPerSecond,
      "proxy: CPU s/GB": bulkCpu / (down.allBytes / 1e9),
      "proxy: connections a second": rate.perSecond,
      "proxy: CPU ms a connection": rateCpu * 1000 / rate.all,
    };
  }, SYSTEM);
}

await requireProgram("iperf3", "iperf3");
await requireProgram("ping", "iputils-ping");
const found = { bbr: [] as Figures[], cubic: [] as Figures[] };
for (let round = 1; round <= ROUNDS; round++) {
  for (const choice of round % 2 === 0 ? CHOICES : CHOICES.toReversed()) {
    const figures = { ...await throughTunnel(choice), ...await throughProxy(choice) };
    found[choice].push(figures);
    const told = Object.entries(figures).map(([name, value]) => `${name} ${value.toPrecision(4)}`);
    console.error(`round ${round}: ${choice}: ${told.join("; ")}`);
  }
}

const rows = Object.keys(found.bbr[0]!).map((name) => {
  const [bbr, cubic] = CHOICES.map((choice) => found[choice].map((figures) => figures[name]!));
  const ratios = bbr!.map((value, i) => cubic![i]! / value);
  const interval = medianInterval(ratios).map((end) => end.toFixed(2)).join(" to ");
  return [
    name,
    ...[bbr!, cubic!].map(median).map((value) => value.toFixed(value < 100 ? 3 : 0)),
    median(ratios).toFixed(2),
    interval,
  ];
});
console.log(table(["figure", "bbr", "cubic", "cubic / bbr", "95 % interval"], rows));
console.log(`\nMedians of ${ROUNDS} rounds of ${SECONDS} s, ${CIPHER}.`);
