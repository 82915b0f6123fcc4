/**
 * `deno task bench:forward [rounds] [seconds] [--only REGEX]`: forwards of ttun and its rivals, both
 * ends on loopback of one network namespace, by turns in every round: throughput, short connections,
 * latency beside bulk, memory of idle connections. Prints medians and what they say about the
 * targets; progress goes to standard error. By default 5 rounds of 1 second for each load: some 12
 * minutes. `--only` names contenders by their names in the table.
 *
 * Needs root and: apt-get install util-linux openssh-server openssh-client v2ray; and
 * shadowsocks-rust (tests/bench/proxy/shadowsocks.ts says how). A contender without its program is
 * left out.
 */
import { parseArgs } from "node:util";
import { TemporaryFiles } from "../temporary_files.ts";
import { type Field, prepareField } from "./forward/contenders.ts";
import { measure } from "./forward/measure.ts";
import { Medians, tablesOf, targetsOf } from "./forward/tables.ts";
import { lookAtOthers } from "./proxy/others.ts";
import { median } from "./statistics.ts";

/** Measures all contenders in all rounds. What fails is left out of the medians and told. */
async function runRounds({ contenders }: Field, rounds: number, seconds: number) {
  const medians = new Medians(contenders.map(({ name }) => name));
  const failures: string[] = [];
  const others: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const contender of contenders) {
      const what = `round ${round}: ${contender.name}`;
      const othersSoFar = lookAtOthers();
      try {
        const figures = await measure(contender, seconds);
        medians.add(contender.name, figures);
        others.push(othersSoFar());
        const text = Object.entries(figures)
          .filter(([, value]) => !Number.isNaN(value))
          .map(([key, value]) => `${key} ${value.toPrecision(3)}`);
        console.error(`${what}: ${text.join(", ")}; others took ${percent(others.at(-1)!)}`);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        failures.push(`${what} failed: ${text.trim().replace(/\s*\n\s*/g, " / ")}`);
        console.error(failures.at(-1));
      }
    }
  }
  return { medians, failures, others };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

/** @throws on what is no number above zero */
function parseCount(text: string): number {
  if (Number(text) > 0) return Number(text);
  throw new Error(`Cannot take ${text} for a number of rounds or seconds`);
}

const { positionals, values } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: { only: { type: "string", default: "" } },
});
const rounds = parseCount(positionals[0] ?? "5");
const seconds = parseCount(positionals[1] ?? "1");

using files = new TemporaryFiles();
const field = await prepareField(new RegExp(values.only), files);
for (const sentence of field.missing) console.error(sentence);
if (field.contenders.length === 0) throw new Error("Nobody is left to measure: see --only");
const { medians, failures, others } = await runRounds(field, rounds, seconds);
console.log(`${tablesOf(medians)}\n`);
console.log(
  `Medians of ${rounds} rounds of ${seconds} s for each load. Others took ` +
    `${percent(median(others))} of the machine's processors meanwhile.\n`,
);
const gaps = [...field.missing, ...failures].map((sentence) => `- ${sentence}`);
if (gaps.length > 0) console.log(`Not measured:\n\n${gaps.join("\n")}\n`);
console.log(`Targets:\n\n${targetsOf(medians)}`);
if (failures.length > 0) Deno.exitCode = 1;
