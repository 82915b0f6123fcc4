/**
 * `deno task bench:first [rounds] [--only REGEX] [--rows REGEX] [--congestion reno|system|NAME]`: what
 * users get from programs that have just been started: first pings, the first second of a transfer,
 * the first connections, requests by real curl processes, also beside busy loops. Every program is
 * started anew for each row of each round, by turns, and nothing is discarded. Prints the medians of
 * the rounds, and the medians of the rounds' ratios to one rival. By default 7 rounds: some three
 * hours; `--rows` names rows (as "ping", "curl"), `--only` programs.
 *
 * Needs root and what bench:tun and bench:proxy need, and: apt-get install nginx-light curl.
 */
import { parseArgs } from "node:util";
import { requireProgram } from "./contender.ts";
import { prepareField as prepareTunnels } from "./contenders.ts";
import { measureConnections, measureCurl } from "./first/connections.ts";
import { measurePings, measureStart, SERIES } from "./first/pings.ts";
import { measureTransfer } from "./first/transfer.ts";
import { openvpnName } from "./openvpn.ts";
import { prepareField as prepareProxies } from "./proxy/contenders.ts";
import { libevName } from "./proxy/shadowsocks.ts";
import { format, table } from "./results.ts";
import { median } from "./statistics.ts";
import { ttun, ttunName } from "./ttun.ts";
import { TemporaryFiles } from "../temporary_files.ts";

/** A table: its programs are measured by turns. */
interface Row {
  readonly name: string;
  /** Program that the ratios are relative to. */
  readonly reference: string;
  readonly programs: ReadonlyMap<string, () => Promise<Record<string, number>>>;
}

const CIPHER = "aes-256-gcm";
const TTUN = { wire: "v2", aead: "native", cipher: CIPHER } as const;
const COLD = ttun({ ...TTUN, warmUp: false });
const TUNNELS = [openvpnName("tcp"), "wireguard-go", ttunName(TTUN)];

/** Programs that change nothing about each other's figures; the first is the reference. */
const PROXIES = [libevName(CIPHER), `shadowsocks-rust, ${CIPHER}`, `ttun, ${CIPHER}`];

/** How many curl processes, beside how many programs that want a processor all the time. */
const CURLS = [[4, 0], [32, 0], [4, 2], [32, 2], [4, 1], [4, 4], [4, 16]] as const;

const { positionals: [roundsText = "7"], values: { only, rows: rowNames, congestion } } = parseArgs(
  {
    args: Deno.args,
    allowPositionals: true,
    options: {
      only: { type: "string", default: "" },
      rows: { type: "string", default: "" },
      congestion: { type: "string", default: "system" },
    },
  },
);
const rounds = Number(roundsText);
if (!(rounds > 0)) throw new Error(`Cannot take ${roundsText} for a number of rounds`);

for (const [program, name] of [["iperf3", "iperf3"], ["nginx", "nginx-light"], ["curl", "curl"]]) {
  await requireProgram(program!, name!);
}
using files = new TemporaryFiles();
const chosen = new RegExp(only);
const tunnels = await prepareTunnels(
  (name) => TUNNELS.includes(name) && chosen.test(name),
  files,
);
if (chosen.test(COLD.name)) {
  tunnels.contenders.push({ ...COLD, start: await COLD.prepare(files) });
}
const proxies = await prepareProxies(
  new RegExp(`^(${PROXIES.filter((name) => chosen.test(name)).join("|") || "none"})$`),
  files,
);
for (const sentence of [...tunnels.missing, ...proxies.missing]) console.error(sentence);

const rows = allRows().filter(({ name }) => new RegExp(rowNames).test(name));
const failures: string[] = [];
for (const { name, reference, programs } of rows) {
  const found = new Map([...programs.keys()].map((program) => [program, [] as Figures[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [program, measure] of programs) {
      const figures = await measure().catch((error) => {
        failures.push(`${name}, round ${round + 1}, ${program}: ${(error as Error).message}`);
        return {};
      });
      found.get(program)!.push(figures);
    }
    console.error(`${name}: round ${round + 1} of ${rounds}`);
  }
  console.log(`${tableOf(name, reference, found)}\n`);
}
console.log(`Medians of ${rounds} rounds; congestion control: ${congestion}.`);
if (failures.length > 0) {
  console.log(`\nNot measured:\n\n${failures.map((sentence) => `- ${sentence}`).join("\n")}`);
  Deno.exitCode = 1;
}

type Figures = Record<string, number>;

function allRows(): Row[] {
  const overTunnels = (
    name: string,
    measure: (contender: (typeof tunnels.contenders)[number]) => Promise<object>,
  ): Row => ({
    name,
    reference: TUNNELS[0]!,
    programs: new Map(
      tunnels.contenders.map((one) => [one.name, async () => ({ ...await measure(one) })]),
    ),
  });
  const overProxies = (
    name: string,
    measure: (contender: (typeof proxies.contenders)[number]) => Promise<object>,
  ): Row => ({
    name,
    reference: PROXIES[0]!,
    programs: new Map(
      proxies.contenders.map((one) => [one.name, async () => ({ ...await measure(one) })]),
    ),
  });
  return [
    overTunnels(
      "start, seconds to the first answered ping",
      async (one) => ({ seconds: await measureStart(one, null, congestion) }),
    ),
    ...SERIES.map(([count, intervalMs]) =>
      overTunnels(
        `${count} pings, one every ${intervalMs} ms, ms`,
        (one) => measurePings(one, null, [count, intervalMs], congestion),
      )
    ),
    overTunnels("transfer, Mbit/s", (one) => measureTransfer(one, null, congestion)),
    overProxies(
      "connections a second, 32 at a time",
      (one) => measureConnections(one, congestion),
    ),
    ...CURLS.map(([processes, loops]) =>
      overProxies(
        `${processes} curl processes beside ${loops} busy loops, requests a second`,
        (one) => measureCurl(one, processes, loops, files, congestion),
      )
    ),
  ];
}

/** Each figure with its median, and the median of its ratios to the reference's of the same round. */
function tableOf(name: string, reference: string, found: Map<string, Figures[]>): string {
  const keys = [...new Set([...found.values()].flat().flatMap(Object.keys))];
  const base = found.get(reference);
  const lines = [...found].map(([program, figures]) => [
    program,
    ...keys.map((key) => {
      const value = median(figures.flatMap((one) => key in one ? [one[key]!] : []));
      const ratios = figures.flatMap((one, i) => {
        const ratio = one[key]! / (base?.[i]?.[key] ?? NaN);
        return Number.isFinite(ratio) ? [ratio] : [];
      });
      return `${format(value, value < 10 ? 3 : 0)} (${format(median(ratios), 2)})`;
    }),
  ]);
  return `${name}; in brackets the ratio to ${reference}:\n\n${table(["program", ...keys], lines)}`;
}
