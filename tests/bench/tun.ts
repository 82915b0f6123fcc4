/**
 * `deno task bench:tun [rounds] [seconds] [--only REGEX] [--mtu default|BYTES]…`: throughput, ping,
 * CPU and memory of ttun and its rivals through a tunnel between two network namespaces, all in one
 * run, the programs by turns in every round. Prints medians and what they say about the targets;
 * progress goes to standard error. By default 5 rounds of 3 seconds for each throughput, first with
 * every program's own MTU, then with 1420 in all: some 50 minutes. `--only` names contenders by
 * their names in the table.
 *
 * Needs root and: apt-get install iperf3 iputils-ping openvpn openssl wireguard-tools; and
 * wireguard-go (tests/bench/wireguard.ts says where from). A contender without its program is left
 * out.
 */
import { parseArgs } from "node:util";
import { type Mtu, requireProgram } from "./contender.ts";
import { type Field, prepareField } from "./contenders.ts";
import { type Conditions, measure, measureUp } from "./measure.ts";
import { Results, tablesOf } from "./results.ts";
import { targetsOf } from "./targets.ts";
import { TemporaryFiles } from "../temporary_files.ts";

/** Rate that all are pinged under, as a share of the most that OpenVPN TCP carried. */
const LOAD_SHARE = 0.8;

/** Measures all contenders in all rounds. What fails is left out of the medians and told. */
async function runRounds(
  field: Field,
  rounds: number,
  conditions: Conditions,
): Promise<{ results: Results; failures: string[] }> {
  const results = new Results(field.contenders.map(({ name }) => name));
  const failures: string[] = [];
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      failures.push(`${what} failed: ${text.trim().replace(/\s*\n\s*/g, " / ")}`);
      console.error(failures.at(-1));
      return null;
    }
  };
  for (let round = 1; round <= rounds; round++) {
    const { reference } = field;
    const most = reference === null ? null : await attempt(
      `round ${round}: ${reference.name}, the reference,`,
      () => measureUp(reference, conditions),
    );
    const loadMbits = most === null ? null : LOAD_SHARE * most;
    console.error(`round ${round}: load for the pings: ${loadMbits?.toFixed(0) ?? "none"} Mbit/s`);
    for (const contender of field.contenders) {
      const what = `round ${round}: ${contender.name}`;
      const figures = await attempt(
        what,
        () => measure(contender, { ...conditions, loadMbits }),
      );
      if (figures === null) continue;
      results.add(contender.name, figures);
      const text = Object.entries(figures).map(([key, value]) => `${key} ${value.toPrecision(4)}`);
      console.error(`${what}: ${text.join(", ")}`);
    }
  }
  return { results, failures };
}

/** @throws on what is no number above zero */
function parseCount(text: string): number {
  if (Number(text) > 0) return Number(text);
  throw new Error(`Cannot take ${text} for a number of rounds or seconds`);
}

function parseMtu(text: string): Mtu {
  if (text === "default") return null;
  if (/^\d+$/.test(text)) return Number(text);
  throw new Error(`Cannot take ${text} for --mtu: write default or a number of bytes`);
}

const { positionals, values } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    only: { type: "string", default: "" },
    mtu: { type: "string", multiple: true, default: ["default", "1420"] },
  },
});
const rounds = parseCount(positionals[0] ?? "5");
const seconds = parseCount(positionals[1] ?? "3");
const mtus = values.mtu.map(parseMtu);

await requireProgram("iperf3", "iperf3");
await requireProgram("ping", "iputils-ping");
using files = new TemporaryFiles();
const only = new RegExp(values.only);
const field = await prepareField((name) => only.test(name), files);
for (const sentence of field.missing) console.error(sentence);
if (field.contenders.length === 0) throw new Error("Nobody is left to measure: see --only");
for (const mtu of mtus) {
  const { results, failures } = await runRounds(field, rounds, { mtu, seconds });
  const title = mtu === null ? "Each program at its default MTU" : `All at MTU ${mtu}`;
  console.log(`## ${title}\n\n${tablesOf(results)}\n`);
  console.log(
    `Medians of ${rounds} rounds. Load: TCP at ${LOAD_SHARE * 100} % of what OpenVPN TCP carries ` +
      "at most, measured first in every round.\n",
  );
  const gaps = [...field.missing, ...failures].map((sentence) => `- ${sentence}`);
  if (gaps.length > 0) console.log(`Not measured:\n\n${gaps.join("\n")}\n`);
  console.log(`Targets:\n\n${targetsOf(results)}\n`);
  if (failures.length > 0) Deno.exitCode = 1;
}
