/**
 * `deno task bench:footprint [rounds] [FILE]`: what a start costs and how much memory an idle end
 * takes, of `deno run` and, beside it, of the executable FILE that `deno task build` has made:
 * `--version`, a client from its start to "authenticated", RSS after six seconds. Medians, by
 * turns. Needs root.
 */
import { twoHosts } from "../netns.ts";
import { rssMb, runSeconds } from "../proc.ts";
import { format, table } from "./results.ts";
import { median } from "./statistics.ts";
import { ENV, ttunArgs } from "./ttun.ts";

const ROUNDS = Number(Deno.args[0] ?? 5);
const FILE = Deno.args[1];

/** A way to start ttun: the command and what stands before its own arguments. */
interface Way {
  name: string;
  command: string;
  before: string[];
}

interface Footprint {
  versionMs: number;
  startMs: number;
  /** Processor time of the client until then. */
  startCpuMs: number;
  serverMb: number;
  clientMb: number;
}

const ways: Way[] = [{ name: "deno run", command: Deno.execPath(), before: ttunArgs() }];
if (FILE !== undefined) {
  ways.push({ name: "executable", command: await Deno.realPath(FILE), before: [] });
}

async function measure({ command, before }: Way): Promise<Footprint> {
  await using hosts = await twoHosts();
  const asked = performance.now();
  await hosts.server.run(command, [...before, "--version"]);
  const versionMs = performance.now() - asked;
  await using server = hosts.server.spawn(command, [...before, "server"], { env: ENV });
  await server.waitFor(/listening/);
  const began = performance.now();
  const args = [...before, "client", "-s", "192.0.2.1:20203"];
  await using client = hosts.client.spawn(command, args, { env: ENV });
  await client.waitFor(/authenticated/);
  const startMs = performance.now() - began;
  const startCpuMs = 1000 * runSeconds(client.pid);
  await new Promise((resolve) => setTimeout(resolve, 6000));
  return {
    versionMs,
    startMs,
    startCpuMs,
    serverMb: rssMb(server.pid),
    clientMb: rssMb(client.pid),
  };
}

const found = new Map(ways.map((way) => [way, [] as Footprint[]]));
for (let round = 0; round < ROUNDS; round++) {
  for (const way of ways) found.get(way)!.push(await measure(way));
}
console.log(table(
  [
    "started as",
    "--version, s",
    "to authenticated, s",
    "of it CPU, s",
    "idle server, MB",
    "idle client, MB",
  ],
  [...found].map(([{ name }, runs]) => [
    name,
    format(median(runs.map((run) => run.versionMs)) / 1000, 2),
    format(median(runs.map((run) => run.startMs)) / 1000, 2),
    format(median(runs.map((run) => run.startCpuMs)) / 1000, 2),
    format(median(runs.map((run) => run.serverMb)), 0),
    format(median(runs.map((run) => run.clientMb)), 0),
  ]),
));
if (FILE !== undefined) {
  console.log(`\nThe file has ${format((await Deno.stat(FILE)).size / 1e6, 0)} MB.`);
}
