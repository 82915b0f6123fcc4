/**
 * `deno task bench:mesh [rounds] [seconds] [store]...`: three nodes of `ttun mesh` beside etcd (one
 * member, and three) and Redis 7 (appendfsync always), each by fresh processes in a namespace of its
 * own that has nothing but `lo`: milliseconds of gets and puts of 300 bytes from 1 and 32 clients,
 * what they cost in CPU, and what an idle process takes. The mesh and etcd are asked by HTTP, Redis
 * by its own protocol. Prints medians, what each store promises, and what they say about the targets;
 * progress goes to standard error. By default 3 rounds of 4 seconds: some 25
 * minutes.
 *
 * Needs root and: apt-get install util-linux curl. Files are in the folder of temporary ones, which
 * is to be on a disk. Debian's etcd-server and redis-tools are unpacked, not installed.
 */
import { provideExtras } from "../runner/extras.ts";
import { TemporaryFiles } from "../temporary_files.ts";
import { etcd } from "./mesh/etcd.ts";
import { measureStore, type StoreFigures } from "./mesh/measure.ts";
import { mesh } from "./mesh/mesh.ts";
import { redis } from "./mesh/redis.ts";
import { reportOf } from "./mesh/report.ts";
import { lookAtOthers } from "./proxy/others.ts";
import { format } from "./results.ts";
import { median } from "./statistics.ts";

const IDLE_SECONDS = 30;
const CONTENDERS = { mesh, etcd1: etcd(1), etcd3: etcd(3), redis };

const [rounds = 3, seconds = 4] = Deno.args.slice(0, 2).map(Number);
const names = Deno.args.slice(2);
const chosen = Object.entries(CONTENDERS)
  .filter(([name]) => names.length === 0 || names.includes(name))
  .map(([, contender]) => contender);
if (!(rounds > 0) || !(seconds > 0) || chosen.length === 0) {
  throw new Error("Usage: deno task bench:mesh [rounds] [seconds] [mesh|etcd1|etcd3|redis]...");
}
await provideExtras(["etcd-server", "redis-tools", "libjemalloc2", "liblzf1"]);

using files = new TemporaryFiles();
const found = new Map(chosen.map((contender) => [contender, [] as StoreFigures[]]));
const others: number[] = [];
for (let round = 1; round <= rounds; round++) {
  for (const contender of chosen) {
    const othersSoFar = lookAtOthers();
    const figures = await measureStore(contender, { seconds, idleSeconds: IDLE_SECONDS }, files);
    others.push(othersSoFar());
    found.get(contender)!.push(figures);
    tell(round, contender.name, figures);
  }
}
console.log(reportOf(found));
console.log(
  `\nMedians of ${rounds} rounds of ${seconds} s for each figure. Others took ` +
    `${format(median(others) * 100, 0)} % of the machine's processors meanwhile.`,
);

function tell(round: number, name: string, figures: StoreFigures): void {
  const { operations, idleCpu, freshMb, loadedMb } = figures;
  const shares = operations.map(({ operation, clients, p50, p99, perSecond, cpuMs }) =>
    `  ${operation} x ${clients}: p50 ${format(p50, 2)}, p99 ${format(p99, 2)} ms, ` +
    `${format(perSecond, 0)}/s, CPU ${format(cpuMs, 2)} ms`
  );
  const idle = `idle ${format(idleCpu, 2)} %, ${format(freshMb, 0)} MB, later ${
    format(loadedMb, 0)
  }`;
  console.error([`round ${round}: ${name}: ${idle}`, ...shares].join("\n"));
}
