/**
 * `deno task bench:turns TREE [pairs] [seconds] [--only tunnel|proxy]`: this tree beside TREE, another
 * checkout of ttun, by turns: a tunnel and a proxy of each, once a pair, the first of the two changing.
 * Prints for each figure the median of the pairs' ratios with its 95 % interval, and whether that
 * shows a loss of more than 2 %. By default 9 pairs of 2 seconds for each load: some 25 minutes.
 *
 * Needs root and: apt-get install iperf3 iputils-ping util-linux.
 */
import { parseArgs } from "node:util";
import { measure as measureTunnel } from "./measure.ts";
import { measure as measureProxy } from "./proxy/measure.ts";
import { proxy } from "./proxy/ttun.ts";
import { median, medianInterval } from "./statistics.ts";
import { MAIN, ttun } from "./ttun.ts";
import { TemporaryFiles } from "../temporary_files.ts";

const CIPHER = "aes-256-gcm";

/** Largest loss that counts as none. */
const BOUND = 0.02;

/** Figures of which less is better. */
const LESS_IS_BETTER = [
  "idleP50",
  "idleP99",
  "cpuPerGb",
  "peakMb",
  "cpuPerConnection",
  "p50",
  "p99",
  "clientMb",
  "serverMb",
];

type Figures = Record<string, number>;

const MEASURES: Record<
  string,
  (main: string, seconds: number, files: TemporaryFiles) => Promise<Figures>
> = {
  tunnel: async (main, seconds, files) => {
    const contender = ttun({ wire: "v2", aead: "native", cipher: CIPHER, main });
    const ready = { ...contender, start: await contender.prepare(files) };
    return { ...await measureTunnel(ready, { mtu: null, seconds, loadMbits: null }) };
  },
  proxy: async (main, seconds, files) => {
    const contender = proxy({ cipher: CIPHER, mtu: null, main });
    return {
      ...await measureProxy({ ...contender, start: await contender.prepare(files) }, seconds),
    };
  },
};

/** How much better this tree is: above 1 is better, whatever the figure. */
function gain(name: string, here: number, there: number): number {
  return LESS_IS_BETTER.includes(name) ? there / here : here / there;
}

function verdict([from, to]: [number, number]): string {
  if (from > 1 - BOUND) return from > 1 ? "better" : "no loss";
  return to < 1 - BOUND ? "LOSS" : "not resolved";
}

const { positionals: [tree, pairsText = "9", secondsText = "2"], values } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: { only: { type: "string", default: "" } },
});
const [pairs, seconds] = [Number(pairsText), Number(secondsText)];
if (tree === undefined || !(pairs > 0) || !(seconds > 0)) {
  throw new Error("Usage: deno task bench:turns TREE [pairs] [seconds] [--only tunnel|proxy]");
}
const there = await Deno.realPath(`${tree}/main.ts`);

using files = new TemporaryFiles();
const gains = new Map<string, number[]>();
const both = new Map<string, [here: number[], there: number[]]>();
for (let pair = 0; pair < pairs; pair++) {
  for (const [what, measure] of Object.entries(MEASURES)) {
    if (values.only !== "" && values.only !== what) continue;
    const found: Record<string, Figures> = {};
    for (const main of pair % 2 === 0 ? [there, MAIN] : [MAIN, there]) {
      found[main] = await measure(main, seconds, files);
    }
    for (const [name, here] of Object.entries(found[MAIN]!)) {
      const other = found[there]![name]!;
      if (Number.isNaN(here) || Number.isNaN(other)) continue;
      const key = `${what}: ${name}`;
      gains.set(key, [...gains.get(key) ?? [], gain(name, here, other)]);
      const [heres, theres] = both.get(key) ?? [[], []];
      both.set(key, [[...heres, here], [...theres, other]]);
    }
    console.error(`pair ${pair + 1} of ${pairs}: ${what} done`);
  }
}
console.log(`| figure | there | here | better by | 95 % interval | loss over ${BOUND * 100} % |`);
console.log("| --- | --- | --- | --- | --- | --- |");
for (const [key, values] of gains) {
  const [heres, theres] = both.get(key)!;
  const interval = medianInterval(values);
  const cells = [
    key,
    median(theres).toPrecision(4),
    median(heres).toPrecision(4),
    median(values).toFixed(3),
    interval.map((end) => end.toFixed(3)).join(" to "),
    verdict(interval),
  ];
  console.log(`| ${cells.join(" | ")} |`);
}
console.log(`\n${pairs} pairs of ${seconds} s for each load, ${CIPHER}.`);
