/**
 * `deno task bench:pending`: memory of a server (RSS) with as many connections as it keeps waiting
 * for their hello, after 10 000 were opened. Needs root.
 */
import { twoHosts } from "../netns.ts";
import { rssMb } from "../proc.ts";
import { format } from "./results.ts";
import { spawnTtun } from "./ttun.ts";

const FLOOD = new URL("../e2e/flood.ts", import.meta.url).pathname;

for (const wire of ["v1", "auto"]) {
  await using hosts = await twoHosts();
  await using server = spawnTtun(hosts.server, "server", "-q", "--wire", wire);
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
    `--wire ${wire}: ${format(before, 0)} MB idle, ` +
      `${format(rssMb(server.pid), 0)} MB after 10 000 connections`,
  );
}
