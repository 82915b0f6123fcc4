/**
 * `deno task bench:tox-beside [rounds] [seconds]`: how much a busy link of Tox slows other work of its
 * process. A server listens on TCP and for Tox; messages
 * go back and forth through a forward over TCP: alone, beside a transfer over Tox by the same server,
 * and beside a transfer over Tox by another process, which is the most that libtoxcore's own thread
 * can gain. By turns in each round, in a namespace that has nothing but `lo`. Prints medians; progress
 * goes to standard error. By default 8 rounds of 3 seconds: some three minutes.
 *
 * Needs root and: apt-get install util-linux libtoxcore2.
 */
import { Host } from "../netns.ts";
import { TemporaryFiles } from "../temporary_files.ts";
import { lookAtOthers } from "./proxy/others.ts";
import { format, table } from "./results.ts";
import { median } from "./statistics.ts";
import { LINK_MS, READY_MS, script, startNetwork } from "./tox/ends.ts";
import { ENV, ttunArgs } from "./ttun.ts";

/** Seconds in which a transfer becomes as fast as it gets. */
const WARM_MS = 6000;
const ENDLESS = 1e12;
const ECHO = { port: 8000, targetPort: 7000 };
/** Forwards through that server, and through another one. */
const BULKS = [{ port: 8001, targetPort: 7001 }, { port: 8002, targetPort: 7002 }];
const CASES = ["alone", "beside Tox of its process", "beside Tox of another process"];

const [rounds = 8, seconds = 3] = Deno.args.map(Number);
if (!(rounds > 0) || !(seconds > 0)) {
  throw new Error("Usage: deno task bench:tox-beside [rounds] [seconds]");
}

using files = new TemporaryFiles();
await using host = await Host.create();
const folder = files.makeFolder("tox");
const nodes = await startNetwork(host, folder);
const spawn = (...args: string[]) => host.spawn(Deno.execPath(), ttunArgs(...args), { env: ENV });
const forward = ({ port, targetPort }: typeof ECHO) => ["-L", `${port}:127.0.0.1:${targetPort}`];

for (const [i, bulk] of BULKS.entries()) {
  const tox = `tox:?dir=${folder}/${i}&nodes=${nodes}&udp=${40_001 + 2 * i}`;
  const tcp = i === 0 ? ["-l", "127.0.0.1:20203"] : [];
  const server = spawn("server", "--no-tun", ...tcp, "-l", tox, "--permit-open", "127.0.0.1");
  const [url] = await server.waitFor(/tox:[0-9A-F]{76}/, READY_MS);
  const way = `${url}?nodes=${nodes}&udp=${40_002 + 2 * i}`;
  await spawn("client", "-s", way, ...forward(bulk)).waitFor(/authenticated/, LINK_MS);
}
const client = spawn("client", "-s", "127.0.0.1:20203", ...forward(ECHO));
await client.waitFor(/authenticated/, READY_MS);

const found: [p50: number, p99: number][][] = CASES.map(() => []);
const othersSoFar = lookAtOthers();
for (let round = 1; round <= rounds; round++) {
  for (const [i, name] of CASES.entries()) {
    found[i]!.push(await besideBulk(BULKS[i - 1]));
    const [p50, p99] = found[i]!.at(-1)!;
    console.error(`round ${round}: ${name}: p50 ${format(p50, 2)}, p99 ${format(p99, 2)} ms`);
  }
}
console.log(table(
  ["", "p50, ms", "p99, ms"],
  found.map((all, i) => [
    CASES[i]!,
    ...([0, 1] as const).map((which) => format(median(all.map((one) => one[which])), 2)),
  ]),
));
console.log(
  `\nMedians of ${rounds} rounds of ${seconds} s. Others took ` +
    `${format(othersSoFar() * 100, 0)} % of the machine's processors meanwhile, the ends included.`,
);

async function besideBulk(bulk: typeof ECHO | undefined): Promise<[number, number]> {
  const args = (name: string, ...rest: (string | number)[]) => ["run", "-A", script(name), ...rest];
  await using _bulk = bulk === undefined ? null : host.spawn(
    Deno.execPath(),
    args("load.ts", "down", bulk.port, bulk.targetPort, ENDLESS, 1).map(String),
  );
  if (bulk !== undefined) await new Promise((resolve) => setTimeout(resolve, WARM_MS));
  const measuring = args("latency.ts", ECHO.port, ECHO.targetPort, seconds).map(String);
  const { code, stdout, stderr } = await host.run(Deno.execPath(), measuring);
  if (code !== 0) throw new Error(`latency.ts ended with ${code}: ${stderr}`);
  const [p50, p99] = stdout.trim().split("\n").map(Number);
  return [p50!, p99!];
}
