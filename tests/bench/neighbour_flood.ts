/**
 * `deno run -A tests/bench/neighbour_flood.ts [seconds] [MBITS]`: one client of a pool sends so many
 * megabits of UDP to another one, through the server, while that one downloads from the server and
 * pings it. Prints what the other one keeps of half of what it has alone, which is its fair share,
 * and its pings. The attacker's programs have the lowest priority: elsewhere they have a machine of
 * their own. Needs root, iperf3 and ping.
 */
import { bridgedHosts, slowLink } from "../networks.ts";
import { format, table } from "./results.ts";
import { quantile } from "./statistics.ts";
import { ENV, spawnTtun, ttunArgs } from "./ttun.ts";

const SECONDS = Number(Deno.args[0] ?? 4);
const MBITS = Deno.args[1] ?? "1600";
const CIPHER = ["--cipher", "aes-256-gcm"];
const VICTIM = "10.9.0.2";

interface Found {
  readonly mbits: number;
  readonly p99: number;
  readonly lost: number;
}

async function measure(isFlooded: boolean, downlink: number): Promise<Found> {
  await using bridged = await bridgedHosts(2);
  await using stack = new AsyncDisposableStack();
  const { server, clients } = bridged;
  const [victim, attacker] = clients;
  if (downlink > 0) await slowLink(server, "veth0", downlink);
  const pool = ["--clients", "3", "--pool", "10.9.0.0/24"];
  const listening = stack.use(spawnTtun(server, "server", ...pool, ...CIPHER));
  await listening.waitFor(/listening/);
  const join = ["client", "-s", "192.0.2.1:20203", ...CIPHER];
  const client = stack.use(spawnTtun(victim!, ...join));
  await client.waitFor(/authenticated/, 20_000);
  const args = ["-n", "19", Deno.execPath(), ...ttunArgs(...join)];
  const hostile = stack.use(attacker!.spawn("nice", args, { env: ENV }));
  await hostile.waitFor(/authenticated/, 20_000);
  const listener = stack.use(victim!.spawn("iperf3", ["-s", "-1", "--forceflush"]));
  await listener.waitFor(/listening/i);
  const sink = stack.use(victim!.spawn("iperf3", ["-s", "-1", "-p", "5202", "--forceflush"]));
  await sink.waitFor(/listening/i);
  const flood = isFlooded
    ? attacker!.run("nice", [
      ...["-n", "19", "iperf3", "-u", "-c", VICTIM, "-p", "5202", "-b", `${MBITS}M`, "-l", "1300"],
      ...["-t", `${SECONDS + 2}`, "-J"],
    ], { timeoutMs: 60_000 })
    : Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const count = SECONDS * 50;
  const [iperf, pings] = await Promise.all([
    server.run("iperf3", ["-c", VICTIM, "-t", `${SECONDS}`, "-J"], { timeoutMs: 60_000 }),
    victim!.run("ping", ["-i", "0.02", "-c", `${count}`, "-w", `${SECONDS + 2}`, "10.9.0.1"]),
  ]);
  await flood;
  const times = [...pings.stdout.matchAll(/time=([0-9.]+) ms/g)].map(([, ms]) => Number(ms));
  return {
    mbits: JSON.parse(iperf.stdout).end.sum_received.bits_per_second / 1e6,
    p99: quantile(times, 0.99),
    lost: count - times.length,
  };
}

const rows: string[][] = [];
for (const downlink of [0, 100]) {
  const alone = await measure(false, downlink);
  const flooded = await measure(true, downlink);
  const name = downlink === 0 ? "unlimited" : `${downlink} Mbit/s`;
  const share = flooded.mbits / (alone.mbits / 2);
  rows.push(
    [name, "none", format(alone.mbits, 0), "-", format(alone.p99, 1), `${alone.lost}`],
    [
      ...[name, `${MBITS} Mbit/s`, format(flooded.mbits, 0), format(share, 2)],
      ...[format(flooded.p99, 1), `${flooded.lost}`],
    ],
  );
}
const head = ["downlink", "flood", "Mbit/s", "of the fair share", "ping p99, ms", "pings lost"];
console.log(table(head, rows));
