/**
 * `deno task bench:pending`: memory of a server (RSS) with as many connections as it keeps waiting
 * for their hello, after 10 000 were opened. Needs root.
 */
import { twoHosts } from "../netns.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const FLOOD = new URL("../e2e/flood.ts", import.meta.url).pathname;
const env = { TTUN_KEY: "a key for the benchmark", STATE_DIRECTORY: "/dev/null/none" };

for (const wire of ["v1", "auto"]) {
  await using hosts = await twoHosts();
  await using server = hosts.server.spawn(Deno.execPath(), [
    "run",
    "-A",
    MAIN,
    "server",
    "-q",
    "--wire",
    wire,
  ], { env });
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const before = rssMb(server.pid);
  await using flood = hosts.client.spawn(Deno.execPath(), [
    "run",
    "-A",
    FLOOD,
    "192.0.2.1",
    "20203",
    "10000",
  ]);
  await flood.waitFor(/connected 10000/, 60_000);
  console.log(
    `--wire ${wire}: ${before} MB idle, ${rssMb(server.pid)} MB after 10 000 connections`,
  );
}

function rssMb(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1000);
}
