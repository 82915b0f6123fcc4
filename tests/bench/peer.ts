/**
 * `deno task bench:peer [rounds] [megabytes] [--only REGEX]`: `ttun peer` and `ttun send` beside
 * openssl, socat, ssh and croc: throughput, processor time, time to the first byte, and the round
 * trips that connecting takes, all by turns in every round, between two network namespaces. Prints
 * medians and what they say about the targets; progress goes to standard error. By default 5 rounds
 * of 1000 MB: some 12 minutes, and 2 GB of memory (/dev/shm).
 *
 * Needs root, cc and: apt-get install iproute2 openssl socat openssh-client openssh-server; and
 * go install github.com/schollz/croc/v10@latest (in PATH). A contender without its program is left
 * out. Everything goes between the two namespaces; croc's relay is in one of them.
 */
import { parseArgs } from "node:util";
import { buildEmulator } from "../emulated_path.ts";
import { TemporaryFiles } from "../temporary_files.ts";
import { MissingProgram } from "./contender.ts";
import type { ReadyContender } from "./peer/contender.ts";
import { type Conditions, type Figures, measure } from "./peer/measure.ts";
import { rivals } from "./peer/rivals.ts";
import { tableOf, targetsOf } from "./peer/tables.ts";
import { ours } from "./peer/ttun.ts";
import { lookAtOthers } from "./proxy/others.ts";
import { median } from "./statistics.ts";

const { positionals, values } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: { only: { type: "string", default: "" } },
});
const rounds = Number(positionals[0] ?? 5);
const megabytes = Number(positionals[1] ?? 1000);

using files = new TemporaryFiles();
const { contenders, missing } = await prepare(new RegExp(values.only));
for (const sentence of missing) console.error(sentence);
const folder = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "ttun-bench-" });
files.add(folder);
const conditions: Conditions = {
  files,
  emulator: await buildEmulator(files),
  large: writeFile("large", megabytes * 1_000_000),
  small: writeFile("small", 16),
};
const found = new Map(contenders.map(({ name }) => [name, [] as Figures[]]));
const failures: string[] = [];
const others: number[] = [];
for (let round = 1; round <= rounds; round++) {
  for (const contender of contenders) {
    const what = `round ${round}: ${contender.name}`;
    const othersSoFar = lookAtOthers();
    try {
      const figures = await measure(contender, conditions);
      found.get(contender.name)!.push(figures);
      others.push(othersSoFar());
      const text = Object.entries(figures).map(([key, value]) => `${key} ${value.toPrecision(3)}`);
      console.error(`${what}: ${text.join(", ")}; others took ${percent(others.at(-1)!)}`);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      failures.push(`${what} failed: ${text.trim().replace(/\s*\n\s*/g, " / ")}`);
      console.error(failures.at(-1));
    }
  }
}

console.log(`${tableOf(contenders, found)}\n`);
console.log(
  `Medians of ${rounds} rounds of ${megabytes} MB. Others took ${percent(median(others))} of the ` +
    "machine's processors meanwhile.\n",
);
const gaps = [...missing, ...failures].map((sentence) => `- ${sentence}`);
if (gaps.length > 0) console.log(`Not measured:\n\n${gaps.join("\n")}\n`);
console.log(`Targets:\n\n${targetsOf(contenders, found)}`);
if (failures.length > 0) Deno.exitCode = 1;

async function prepare(only: RegExp) {
  const contenders: ReadyContender[] = [];
  const missing: string[] = [];
  for (const contender of [...rivals, ...ours]) {
    const { name, kind, isRival } = contender;
    if (!only.test(name)) continue;
    try {
      contenders.push({ name, kind, isRival, start: await contender.prepare(files) });
    } catch (error) {
      if (!(error instanceof MissingProgram)) throw error;
      missing.push(`${name} is left out: ${error.message}`);
    }
  }
  return { contenders, missing };
}

/** Random bytes, which nobody can compress. */
function writeFile(name: string, size: number): string {
  const path = `${folder}/${name}`;
  using file = Deno.openSync(path, { write: true, create: true });
  for (let left = size; left > 0; left -= 65_536) {
    const bytes = crypto.getRandomValues(new Uint8Array(Math.min(left, 65_536)));
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  }
  return path;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
