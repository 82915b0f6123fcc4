/**
 * `deno task bench:mesh-turns [turns] [operation] [clients]`: three nodes of `ttun mesh` and etcd with
 * three members run at the same time, each in a namespace of its own, and are asked in turns of 2 s: what
 * others take of the machine meanwhile is taken from both. Prints each turn, and the medians. By
 * default 12 turns of "soft put" from 1 client, behind 10 s of the same for each: two minutes. Needs what bench:mesh does.
 */
import { Host } from "../netns.ts";
import { provideExtras } from "../runner/extras.ts";
import { TemporaryFiles } from "../temporary_files.ts";
import { OPERATIONS } from "./mesh/contender.ts";
import { etcd } from "./mesh/etcd.ts";
import { runLoad } from "./mesh/measure.ts";
import { mesh } from "./mesh/mesh.ts";
import { format } from "./results.ts";
import { median } from "./statistics.ts";

const SECONDS = 2;

/** Before the first turn: V8 goes on compiling for some ten thousand requests. */
const WARM_SECONDS = 10;

const turns = Number(Deno.args[0] ?? 12);
const operation = OPERATIONS.find((name) => name === (Deno.args[1] ?? "soft put"));
const clients = Number(Deno.args[2] ?? 1);
if (!(turns > 0) || operation === undefined || !(clients > 0)) {
  throw new Error(`Usage: deno task bench:mesh-turns [turns] [${OPERATIONS.join("|")}] [clients]`);
}
await provideExtras(["etcd-server"]);

using files = new TemporaryFiles();
await using ours = await Host.create();
await using theirs = await Host.create();
const stores = [
  { host: ours, store: await mesh.start(ours, files.makeFolder("mesh")) },
  { host: theirs, store: await etcd(3).start(theirs, files.makeFolder("etcd")) },
];
const ask = ({ host, store }: typeof stores[number], warmSeconds: number, seconds: number) =>
  runLoad(host, { ...store.at, operation, clients, warmSeconds, seconds, least: 256 });
for (const one of stores) await ask(one, 0, WARM_SECONDS);

const ratios: number[] = [];
const rates: number[][] = [[], []];
for (let turn = 1; turn <= turns; turn++) {
  const said: string[] = [];
  for (const [i, one] of stores.entries()) {
    const { perSecond, p50, p99 } = await ask(one, SECONDS / 4, SECONDS);
    rates[i]!.push(perSecond);
    said.push(`${format(perSecond, 0)}/s, p50 ${format(p50, 2)}, p99 ${format(p99, 2)} ms`);
  }
  ratios.push(rates[0]!.at(-1)! / rates[1]!.at(-1)!);
  console.log(`turn ${turn}: mesh ${said[0]}; etcd ${said[1]}; ${format(ratios.at(-1)!, 2)}`);
}
const [meshRate, etcdRate] = rates.map((all) => format(median(all), 0));
const load = format(Deno.loadavg()[0]!, 1);
console.log(
  `${operation}, ${clients} clients: mesh ${meshRate}/s, etcd ${etcdRate}/s, ratio ` +
    `${format(median(ratios), 2)} (medians). The machine's load, with these processes: ${load}.`,
);
