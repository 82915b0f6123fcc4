/**
 * `deno run -A tests/bench/carriers.ts [rounds] [seconds]`: what a session split over two
 * connections and Workers could gain at the most. Two whole tunnels side by side, with half of the
 * flows each, do the same work as such a session would, without what it costs to keep flows in
 * order; beside them one tunnel with all flows. Prints medians. Needs root and iperf3.
 */
import { type Host, type Process, type TwoHosts, twoHosts } from "../netns.ts";
import { format, table } from "./results.ts";
import { median } from "./statistics.ts";
import { spawnTtun } from "./ttun.ts";

const ROUNDS = Number(Deno.args[0] ?? 5);
const SECONDS = Number(Deno.args[1] ?? 3);
const OPTIONS = ["--wire", "v2", "--cipher", "aes-256-gcm"];

/** Tunnel number i, its inner network and port its own. */
async function start({ server, client }: TwoHosts, i: number): Promise<Process[]> {
  const run = (host: Host, ...args: string[]) => spawnTtun(host, ...args, ...OPTIONS);
  const listening = run(server, "server", "-l", `:${20203 + i}`, "--address", `10.1.${i}.1/30`);
  await listening.waitFor(/listening/);
  const address = ["--address", `10.1.${i}.2/30`];
  const connected = run(client, "client", "-s", `192.0.2.1:${20203 + i}`, ...address);
  await connected.waitFor(/authenticated/);
  return [listening, connected];
}

/** Mbit/s of `flows` through each of so many tunnels at once, added up. */
async function measure(tunnels: number, flows: number): Promise<number> {
  await using hosts = await twoHosts();
  await using ends = new AsyncDisposableStack();
  for (let i = 0; i < tunnels; i++) for (const end of await start(hosts, i)) ends.use(end);
  const runs = Array.from({ length: tunnels }, async (_, i) => {
    await using listener = hosts.server.spawn("iperf3", [
      "-s",
      "-1",
      "--forceflush",
      "-p",
      `${5201 + i}`,
    ]);
    await listener.waitFor(/listening/i);
    const args = [
      "-c",
      `10.1.${i}.1`,
      "-p",
      `${5201 + i}`,
      "-t",
      `${SECONDS}`,
      "-J",
      "-P",
      `${flows}`,
    ];
    const { stdout } = await hosts.client.run("iperf3", args, { timeoutMs: 60_000 });
    return JSON.parse(stdout).end.sum_received.bits_per_second / 1e6;
  });
  return (await Promise.all(runs)).reduce((sum, mbits) => sum + mbits, 0);
}

const one: number[] = [];
const two: number[] = [];
for (let round = 1; round <= ROUNDS; round++) {
  one.push(await measure(1, 4));
  two.push(await measure(2, 2));
  console.error(
    `round ${round}: one ${format(one.at(-1)!, 0)}, two ${format(two.at(-1)!, 0)} Mbit/s`,
  );
}
const ratio = median(two.map((mbits, i) => mbits / one[i]!));
console.log(table(
  ["four flows through", "Mbit/s"],
  [
    ["one tunnel", format(median(one), 0)],
    ["two tunnels at once", format(median(two), 0)],
  ],
));
console.log(`\nMedians of ${ROUNDS} rounds; two to one: ${format(ratio, 2)}.`);
