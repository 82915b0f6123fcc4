/**
 * `deno task bench:footprint [rounds]`: time from the start of a client to "authenticated", and
 * the memory (RSS) of an idle server and client after five seconds. Medians. Needs root.
 */
import { twoHosts } from "../netns.ts";

const ROUNDS = Number(Deno.args[0] ?? 5);
const MAIN = new URL("../../main.ts", import.meta.url).pathname;

const found = { startMs: [] as number[], serverMb: [] as number[], clientMb: [] as number[] };
for (let round = 0; round < ROUNDS; round++) {
  await using hosts = await twoHosts();
  const env = { TTUN_KEY: "a key for the benchmark", STATE_DIRECTORY: "/dev/null/none" };
  await using server = hosts.server.spawn(Deno.execPath(), ["run", "-A", MAIN, "server"], { env });
  await server.waitFor(/listening/);
  const began = performance.now();
  await using client = hosts.client.spawn(Deno.execPath(), [
    "run",
    "-A",
    MAIN,
    "client",
    "-s",
    "192.0.2.1:20203",
  ], { env });
  await client.waitFor(/authenticated/);
  found.startMs.push(performance.now() - began);
  await new Promise((resolve) => setTimeout(resolve, 5000));
  found.serverMb.push(rssMb(server.pid));
  found.clientMb.push(rssMb(client.pid));
}
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
console.log(`start to authenticated: ${(median(found.startMs) / 1000).toFixed(2)} s`);
console.log(`idle server: ${median(found.serverMb).toFixed(0)} MB RSS`);
console.log(`idle client: ${median(found.clientMb).toFixed(0)} MB RSS`);

function rssMb(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1000;
}
