/**
 * `deno run -A tests/bench/clients.ts [seconds] [COUNT,…]`: what many clients cost one server: all
 * of them transfer at once, each from a host of its own on one bridge. Prints what they move
 * together, what of it the server's processor takes, and the server's memory. Needs root and iperf3.
 */
import { bridgedHosts } from "../networks.ts";
import { cpuSeconds, rssMb } from "../proc.ts";
import { format, table } from "./results.ts";
import { spawnTtun } from "./ttun.ts";

const SECONDS = Number(Deno.args[0] ?? 4);
const COUNTS = (Deno.args[1] ?? "1,10,50").split(",").map(Number);
const CIPHER = ["--cipher", "aes-256-gcm"];

interface Found {
  mbits: number;
  cpuPerGb: number;
  serverMb: number;
}

async function measure(count: number): Promise<Found> {
  await using bridged = await bridgedHosts(count);
  await using stack = new AsyncDisposableStack();
  const { server, clients } = bridged;
  const pool = ["--clients", `${count}`, "--pool", "10.9.0.0/24"];
  const listening = stack.use(spawnTtun(server, "server", ...pool, ...CIPHER));
  await listening.waitFor(/listening/);
  for (const [i, host] of clients.entries()) {
    const client = stack.use(spawnTtun(host, "client", "-s", "192.0.2.1:20203", ...CIPHER));
    await client.waitFor(/authenticated/, 60_000);
    const port = `${5201 + i}`;
    const listener = stack.use(server.spawn("iperf3", ["-s", "-1", "--forceflush", "-p", port]));
    await listener.waitFor(/listening/i);
  }
  const before = cpuSeconds(listening.pid);
  const runs = await Promise.all(clients.map(async (host, i) => {
    const args = ["-c", "10.9.0.1", "-p", `${5201 + i}`, "-t", `${SECONDS}`, "-J"];
    const { stdout } = await host.run("iperf3", args, { timeoutMs: 120_000 });
    return JSON.parse(stdout).end.sum_received as { bytes: number; bits_per_second: number };
  }));
  const bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
  return {
    mbits: runs.reduce((sum, run) => sum + run.bits_per_second, 0) / 1e6,
    cpuPerGb: (cpuSeconds(listening.pid) - before) / (bytes / 1e9),
    serverMb: rssMb(listening.pid),
  };
}

const rows: string[][] = [];
for (const count of COUNTS) {
  const { mbits, cpuPerGb, serverMb } = await measure(count);
  rows.push([`${count}`, format(mbits, 0), format(cpuPerGb, 2), format(serverMb, 0)]);
  console.error(`${count} clients: ${rows.at(-1)!.join(", ")}`);
}
console.log(table(["clients", "Mbit/s together", "server's CPU s/GB", "server's RSS, MB"], rows));
