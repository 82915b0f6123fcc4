/**
 * `deno task bench:streams [rounds] [seconds] [--only REGEX] [--down N] [--up N]`: what 996 small streams take for 64
 * bytes there and back, ten times a second each: alone, beside four bulk streams (two each way, unless it is said), and
 * beside those and four that nobody reads. All are connections through one forward of `ttun client
 * -L`, of `ssh -L`, and without any, by turns: over a path of 100 Mbit/s and 20 ms, and on loopback.
 * Prints medians; progress goes to standard error. By default 3 rounds of 2 seconds for each load:
 * some four minutes. `--only` selects by names as in `path: ssh -L`.
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
import type { Found, LoadFound } from "./streams/found.ts";
import { measure, PATH, type Place, PLACES } from "./streams/measure.ts";

/** Times the p99 without bulk streams, over the path. */
const TARGET = 3;
const LOADS = ["alone", "bulk", "unread"] as const;

const { positionals, values } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    only: { type: "string", default: "" },
    down: { type: "string", default: "2" },
    up: { type: "string", default: "2" },
  },
});
const [rounds = 3, seconds = 2] = positionals.map(Number);
const bulk = { down: Number(values.down), up: Number(values.up) };
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
      const run = await measure(contender, { place, emulator, files, seconds, bulk });
      others.push(othersSoFar());
      found.set(key, [...found.get(key) ?? [], run]);
      const told = LOADS.map((load) => {
        const { p50, p99, lateP99, bulkMbits } = run[load];
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

function ratioOf(runs: readonly LoadFound[], load: "bulk" | "unread"): number {
  return median(runs.map((run) => run[load].p99 / run.alone.p99));
}

function rowOf(place: Place, name: string): string[] {
  const runs = found.get(keyOf(place, name))!;
  const cell = (load: typeof LOADS[number], figure: keyof Found, digits: number) =>
    format(median(runs.map((run) => run[load][figure])), digits);
  const beside = (load: "bulk" | "unread") => [
    cell(load, "p50", 2),
    `${cell(load, "p99", 2)} (${format(ratioOf(runs, load), 1)})`,
    cell(load, "bulkMbits", 0),
  ];
  return [
    name,
    cell("alone", "p50", 2),
    cell("alone", "p99", 2),
    ...beside("bulk"),
    ...beside("unread"),
  ];
}

const HEAD = [
  "way",
  "alone p50",
  "alone p99",
  "bulk p50",
  "bulk p99",
  "Mbit/s",
  "unread p50",
  "unread p99",
  "Mbit/s",
];
const titles: Record<Place, string> = {
  path: `Over ${PATH.rateMbits} Mbit/s and ${2 * PATH.delayMs} ms, a queue of ${PATH.queueMs} ms`,
  loopback: "On loopback",
};
for (const place of PLACES) {
  console.log(`${titles[place]}:\n`);
  console.log(`${table(HEAD, fieldOf(place).map(({ name }) => rowOf(place, name)))}\n`);
}
console.log(
  `Milliseconds, in brackets the ratio to the p99 alone; Mbit/s of all bulk streams, ${bulk.down} down and ` +
    `${bulk.up} up. ` +
    `Medians of ${rounds} rounds of ${seconds} s. Others took ${percent(median(others))} of the ` +
    `machine's processors meanwhile, in the worst run ${percent(Math.max(...others))}.`,
);
const ours = found.get(keyOf("path", "ttun client -L"));
if (ours !== undefined) {
  const worst = Math.max(ratioOf(ours, "bulk"), ratioOf(ours, "unread"));
  const isMet = worst <= TARGET;
  console.log(
    `\nTarget, over the path at most ${TARGET} times the p99 alone: ${isMet ? "met" : "missed"}.`,
  );
}
