/**
 * `deno run -A tests/bench/clients.ts [seconds] [COUNT,…]`: what many clients cost one server: all
 * of them transfer at once, each from a host of its own on one bridge. Prints what they move
 * together, what of it the server's processor takes, and the server's memory. Needs root and iperf3.
 */
import { Host, linkHosts, type Process } from "../netns.ts";
import { format, table } from "./results.ts";

const SECONDS = Number(Deno.args[0] ?? 4);
const COUNTS = (Deno.args[1] ?? "1,10,50").split(",").map(Number);
const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const ENV = { TTUN_KEY: "a key for the benchmark", STATE_DIRECTORY: "/dev/null/none" };
const TICKS_PER_SECOND = 100;

interface Found {
  mbits: number;
  cpuPerGb: number;
  serverMb: number;
}

function ttun(host: Host, ...args: string[]): Process {
  return host.spawn(Deno.execPath(), ["run", "-A", MAIN, ...args, "--cipher", "aes-256-gcm"], {
    env: ENV,
  });
}

async function measure(count: number): Promise<Found> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await Host.create());
  await server.sh(
    "ip link add br0 type bridge; ip addr add 192.0.2.1/24 dev br0; ip link set br0 up",
  );
  const listening = stack.use(
    ttun(server, "server", "--clients", `${count}`, "--pool", "10.9.0.0/24"),
  );
  await listening.waitFor(/listening/);
  const hosts: Host[] = [];
  for (let i = 0; i < count; i++) {
    const host = stack.use(await Host.create());
    const ifname = `veth${i}`;
    await linkHosts(server, host, { ifname });
    await server.sh(`ip link set ${ifname} master br0`);
    await host.sh(`ip addr add 192.0.2.${i + 2}/24 dev ${ifname}`);
    const client = stack.use(ttun(host, "client", "-s", "192.0.2.1:20203"));
    await client.waitFor(/authenticated/, 60_000);
    const port = `${5201 + i}`;
    const listener = stack.use(server.spawn("iperf3", ["-s", "-1", "--forceflush", "-p", port]));
    await listener.waitFor(/listening/i);
    hosts.push(host);
  }
  const before = cpuSeconds(listening.pid);
  const runs = await Promise.all(hosts.map(async (host, i) => {
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

function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function rssMb(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1000;
}

const rows: string[][] = [];
for (const count of COUNTS) {
  const { mbits, cpuPerGb, serverMb } = await measure(count);
  rows.push([`${count}`, format(mbits, 0), format(cpuPerGb, 2), format(serverMb, 0)]);
  console.error(`${count} clients: ${rows.at(-1)!.join(", ")}`);
}
console.log(table(["clients", "Mbit/s together", "server's CPU s/GB", "server's RSS, MB"], rows));
