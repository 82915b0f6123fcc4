/**
 * `deno task bench:streams [rounds] [seconds] [--only REGEX]`: what 996 small streams take for 64
 * bytes there and back, ten times a second each: alone, beside four bulk streams down, beside those
 * and four that nobody reads, and beside all those and four bulk streams up. All are connections
 * through one forward of `ttun client -L`, of `ssh -L`, and without any, by turns: over a path of
 * 100 Mbit/s and 20 ms, and on loopback. Prints medians; progress goes to standard error. By default
 * 3 rounds of a second for each load: some four minutes. `--only` selects by names as in
 * `path: ssh -L`.
 *
 * Needs root, cc, and: apt-get install util-linux openssh-server openssh-client.
 */
import { parseArgs } from "node:util";
import { buildEmulator } from "../emulated_path.ts";
import { TemporaryFiles } from "../temporary_files.ts";
import { requireProgram } from "./contender.ts";
import { lookAtOthers } from "./proxy/others.ts";
import { format, table } from "./results.ts";
import { median } from "./statistics.ts";
import { CONTENDERS } from "./streams/contenders.ts";
import { type Found, type Load, type LoadFound, LOADS } from "./streams/found.ts";
import { measure, PATH, type Place, PLACES } from "./streams/measure.ts";

/** Times the p99 without bulk streams, over the path. */
const TARGET = 3;

const { positionals, values } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    only: { type: "string", default: "" },
  },
});
const [rounds = 3, seconds = 1] = positionals.map(Number);
const only = new RegExp(values.only);
const keyOf = (place: Place, name: string) => `${place}: ${name}`;
const fieldOf = (place: Place) => CONTENDERS.filter(({ name }) => only.test(keyOf(place, name)));

await requireProgram("cc", "gcc");
await requireProgram("ssh", "openssh-client");
await requireProgram("/usr/sbin/sshd", "openssh-server");
using files = new TemporaryFiles();
const emulator = await buildEmulator(files);
const found = new Map<string, LoadFound[]>();
const others: number[] = [];
for (let round = 1; round <= rounds; round++) {
  for (const place of PLACES) {
    for (const contender of fieldOf(place)) {
      const key = keyOf(place, contender.name);
      const othersSoFar = lookAtOthers();
      const run = await measure(contender, { place, emulator, files, seconds });
      others.push(othersSoFar());
      found.set(key, [...found.get(key) ?? [], run]);
      const told = LOADS.map((load) => {
        const { p50, p99, lateP99, bulkMbits } = run.found[load];
        const [a, b, late] = [p50, p99, lateP99].map((ms) => format(ms, 2));
        return `${load} p50 ${a}, p99 ${b}, late ${late}, ${format(bulkMbits, 0)} Mbit/s`;
      });
      const load = percent(run.cpu);
      console.error(`round ${round}: ${key}: ${told.join("; ")}; the load took ${load}`);
    }
  }
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function ratioOf(runs: readonly LoadFound[], load: Load): number {
  return median(runs.map(({ found }) => found[load].p99 / found.alone.p99));
}

function rowOf(place: Place, name: string): string[] {
  const runs = found.get(keyOf(place, name))!;
  const cell = (load: Load, figure: keyof Found, digits: number) =>
    format(median(runs.map(({ found }) => found[load][figure])), digits);
  const cells = LOADS.flatMap((load) => {
    const [p50, p99] = [cell(load, "p50", 2), cell(load, "p99", 2)];
    if (load === "alone") return [p50, p99];
    return [p50, `${p99} (${format(ratioOf(runs, load), 1)})`, cell(load, "bulkMbits", 0)];
  });
  return [name, ...cells];
}

const HEAD = LOADS.flatMap((load) => [
  `${load} p50`,
  `${load} p99`,
  ...(load === "alone" ? [] : ["Mbit/s"]),
]);
const titles: Record<Place, string> = {
  path: `Over ${PATH.rateMbits} Mbit/s and ${2 * PATH.delayMs} ms, a queue of ${PATH.queueMs} ms`,
  loopback: "On loopback",
};
for (const place of PLACES) {
  console.log(`${titles[place]}:\n`);
  console.log(`${table(["way", ...HEAD], fieldOf(place).map(({ name }) => rowOf(place, name)))}\n`);
}
console.log(
  `Milliseconds, in brackets the ratio to the p99 alone; Mbit/s of all bulk streams that are read. ` +
    `Medians of ${rounds} rounds of ${seconds} s. Others took ${percent(median(others))} of the ` +
    `machine's processors meanwhile, in the worst run ${percent(Math.max(...others))}.`,
);
const ours = found.get(keyOf("path", "ttun client -L"));
if (ours !== undefined) {
  const told = LOADS.filter((load) => load !== "alone").map((load) =>
    `${load} ${ratioOf(ours, load) <= TARGET ? "met" : "missed"}`
  );
  console.log(`\nTarget, over the path at most ${TARGET} times the p99 alone: ${told.join(", ")}.`);
}
