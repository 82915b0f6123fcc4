/**
 * `deno run -A tests/bench/strangers.ts [seconds]`: eight strangers open connections and hold them, each
 * from an address of its own (tests/hostile/stranger.ts). Prints how long a client takes that comes at
 * a round trip of 400 ms, and what one that is there keeps of its throughput and its ping. The strangers
 * have the lowest priority: elsewhere they are on machines of their own. Needs root,
 * iperf3 and ping.
 */
import { bridgedHosts } from "../networks.ts";
import { format, table } from "./results.ts";
import { quantile } from "./statistics.ts";
import { spawnTtun } from "./ttun.ts";

const SECONDS = Number(Deno.args[0] ?? 6);
const STRANGERS = 8;
const CIPHER = ["--cipher", "aes-256-gcm"];
const HOSTILE = new URL("../hostile/", import.meta.url).pathname;

interface Found {
  readonly mbits: number;
  readonly p99: number;
  /** Milliseconds until each of the far clients was in. */
  readonly joins: number[];
  readonly opensPerSecond: number;
}

async function measure(attackers: number): Promise<Found> {
  await using bridged = await bridgedHosts(STRANGERS + 2);
  await using stack = new AsyncDisposableStack();
  const { server, clients } = bridged;
  const [victim, far] = clients.slice(STRANGERS);
  const pool = ["--clients", "20", "--pool", "10.9.0.0/24", "--wire", "v2"];
  const listening = stack.use(spawnTtun(server, "server", ...pool, ...CIPHER));
  await listening.waitFor(/listening/);
  const client = stack.use(spawnTtun(victim!, "client", "-s", "192.0.2.1:20203", ...CIPHER));
  await client.waitFor(/authenticated/, 20_000);
  const path = stack.use(
    far!.spawn(Deno.execPath(), [
      "run",
      "-A",
      `${HOSTILE}far_path.ts`,
      "192.0.2.1",
      "20203",
      "400",
    ]),
  );
  const [, port] = await path.waitFor(/port (\d+)/);
  const strangers = clients.slice(0, attackers).map((host) =>
    stack.use(
      host.spawn("nice", [
        ...[
          "-n",
          "19",
          Deno.execPath(),
          "run",
          "-A",
          `${HOSTILE}stranger.ts`,
          "192.0.2.1",
          "20203",
          `${SECONDS + 14}`,
        ],
      ]),
    )
  );
  for (const one of strangers) await one.waitFor(/attacking/, 20_000);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const joins: number[] = [];
  for (let i = 0; i < 3; i++) {
    const began = performance.now();
    await using one = spawnTtun(
      far!,
      "client",
      "-s",
      `127.0.0.1:${port}`,
      "--wire",
      "v2",
      ...CIPHER,
    );
    await one.waitFor(/authenticated/, 30_000);
    joins.push(performance.now() - began);
  }
  const listener = stack.use(server.spawn("iperf3", ["-s", "-1", "--forceflush"]));
  await listener.waitFor(/listening/i);
  const [iperf, pings] = await Promise.all([
    victim!.run("iperf3", ["-c", "10.9.0.1", "-t", "2", "-J"], { timeoutMs: 60_000 }),
    victim!.run("ping", ["-i", "0.02", "-c", "100", "-w", "4", "10.9.0.1"]),
  ]);
  const times = [...pings.stdout.matchAll(/time=([0-9.]+) ms/g)].map(([, ms]) => Number(ms));
  let opened = 0;
  for (const one of strangers) {
    const [, count] = await one.waitFor(/opened (\d+)/, 60_000);
    opened += Number(count);
  }
  return {
    mbits: JSON.parse(iperf.stdout).end.sum_received.bits_per_second / 1e6,
    p99: quantile(times, 0.99),
    joins,
    opensPerSecond: opened / (SECONDS + 14),
  };
}

const rows: string[][] = [];
for (const attackers of [0, STRANGERS]) {
  const { mbits, p99, joins, opensPerSecond } = await measure(attackers);
  const slowest = Math.max(...joins) / 1000;
  rows.push([
    `${attackers}`,
    format(opensPerSecond, 0),
    format(slowest, 1),
    format(mbits, 0),
    format(p99, 1),
  ]);
  console.error(rows.at(-1)!.join(", "));
}
const head = ["strangers", "opens/s", "slowest of 3 joins, s", "Mbit/s", "ping p99, ms"];
console.log(table(head, rows));
