/**
 * `deno task bench:tox [rounds] [megabytes]`: forwards of `ttun tox` beside a bare loop over
 * libtoxcore with the same binding, each by fresh processes in a namespace of its own that has
 * nothing but `lo`: MB/s down and up, cold (the first transfer over a new link) and warm (the third
 * one right behind it), the time to connect, CPU, memory. Prints medians, the medians of the rounds'
 * ratios to the bare loop, and what they say about the targets; progress goes to standard error. By
 * default 5 rounds of 20 MB: some six minutes.
 *
 * Needs root and: apt-get install util-linux libtoxcore2.
 */
import { TemporaryFiles } from "../temporary_files.ts";
import { lookAtOthers } from "./proxy/others.ts";
import { format, table } from "./results.ts";
import { median } from "./statistics.ts";
import { type ToxContender, tuntoxWire } from "./tox/ends.ts";
import { type Figures, measureBare, measureForward, type Rates, type Way } from "./tox/measure.ts";

const CONTENDERS: readonly ToxContender[] = [tuntoxWire];
const WAYS: readonly Way[] = ["down", "up"];

/** MB/s, and the share of the bare loop's. */
const TARGETS: Readonly<Record<Way, Partial<Rates>>> = {
  down: { cold: 2.3, warm: 9 },
  up: { cold: 2.5 },
};
const TARGET_RATIO = 0.9;

const [rounds = 5, megabytes = 20] = Deno.args.map(Number);
if (!(rounds > 0) || !(megabytes > 0)) {
  throw new Error("Usage: deno task bench:tox [rounds] [megabytes]");
}
const bytes = megabytes * 1e6;

using files = new TemporaryFiles();
const bare: Rates[] = [];
const found = new Map<string, Figures[]>();
const others: number[] = [];
for (let round = 1; round <= rounds; round++) {
  const othersSoFar = lookAtOthers();
  bare.push(await measureBare(bytes));
  tell(round, "bare loop", bare.at(-1)!);
  for (const contender of CONTENDERS) {
    for (const way of WAYS) {
      const name = `${contender.name}, ${way}`;
      const figures = await measureForward(contender, way, bytes, files);
      found.set(name, [...found.get(name) ?? [], figures]);
      tell(round, name, figures);
    }
  }
  others.push(othersSoFar());
}

/** The median of the rounds' ratios to the bare loop of the same round. */
const ratioOf = (all: readonly Figures[], rate: keyof Rates) =>
  median(all.map((figures, round) => figures[rate] / bare[round]![rate]));
const withRatio = (all: readonly Figures[], rate: keyof Rates) =>
  `${format(median(all.map((one) => one[rate])), 1)} (${format(ratioOf(all, rate), 2)})`;
const medianOf = (all: readonly Figures[], figure: keyof Figures, digits: number) =>
  format(median(all.map((one) => one[figure])), digits);

console.log("MB/s; in brackets the ratio to the bare loop:\n");
console.log(table(
  ["", "cold", "warm", "connected after, s", "CPU s/GB", "peak RSS MB"],
  [
    ["bare loop", ...bareCells(), "", "", ""],
    ...[...found].map(([name, all]) => [
      name,
      withRatio(all, "cold"),
      withRatio(all, "warm"),
      medianOf(all, "connected", 1),
      medianOf(all, "cpuPerGb", 1),
      medianOf(all, "peakMb", 0),
    ]),
  ],
));
console.log(
  `\nMedians of ${rounds} rounds of ${megabytes} MB. Others took ` +
    `${format(median(others) * 100, 0)} % of the machine's processors meanwhile.\n\nTargets:\n`,
);
for (const { name } of CONTENDERS) {
  for (const way of WAYS) {
    const all = found.get(`${name}, ${way}`)!;
    for (const [rate, least] of Object.entries(TARGETS[way]) as [keyof Rates, number][]) {
      judge(`${name}, ${way}, ${rate}, MB/s`, median(all.map((one) => one[rate])), least);
    }
    for (const rate of ["cold", "warm"] as const) {
      judge(`${name}, ${way}, ${rate}, to the bare loop`, ratioOf(all, rate), TARGET_RATIO);
    }
  }
}

function bareCells(): string[] {
  return (["cold", "warm"] as const).map((rate) => format(median(bare.map((one) => one[rate])), 1));
}

function judge(what: string, value: number, least: number): void {
  const verdict = value >= least ? "met" : "missed";
  console.log(`- ${what}: ${format(value, 2)}, target ${least}: ${verdict}`);
}

function tell(round: number, name: string, figures: Rates | Figures): void {
  const text = Object.entries(figures).map(([key, value]) => `${key} ${value.toPrecision(3)}`);
  console.error(`round ${round}: ${name}: ${text.join(", ")}`);
}
