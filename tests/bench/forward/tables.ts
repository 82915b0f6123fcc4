/** The medians of all rounds as tables in Markdown, and what they say about the targets. */
import { REQUESTS, STREAMS, WORKERS } from "../proxy/measure.ts";
import { format, table } from "../results.ts";
import { median } from "../statistics.ts";
import { MOST_HELD, RUST, SSH, TTUN, V2RAY } from "./contenders.ts";
import { BULKS, type Figures } from "./measure.ts";

type FigureName = keyof Figures;

type Column = readonly [head: string, figure: FigureName, digits: number];

/** The figures of all rounds, by contender in the order of the tables. */
export class Medians {
  readonly #rounds: Map<string, Figures[]>;

  constructor(names: readonly string[]) {
    this.#rounds = new Map(names.map((name) => [name, []]));
  }

  get names(): string[] {
    return [...this.#rounds.keys()];
  }

  add(name: string, figures: Figures): void {
    this.#rounds.get(name)!.push(figures);
  }

  /** Of the rounds that have the figure; NaN where none has. */
  of(name: string, figure: FigureName): number {
    const values = (this.#rounds.get(name) ?? []).map((figures) => figures[figure]);
    return median(values.filter((value) => !Number.isNaN(value)));
  }

  /** The largest of those that have one; NaN where none has. */
  best(names: readonly string[], figure: FigureName): number {
    const values = names.map((name) => this.of(name, figure)).filter((v) => !Number.isNaN(v));
    return values.length === 0 ? NaN : Math.max(...values);
  }
}

const THROUGHPUT: readonly Column[] = [
  ["down", "down", 0],
  ["up", "up", 0],
  [`${STREAMS} streams down`, "eightDown", 0],
  [`${STREAMS} streams up`, "eightUp", 0],
  ["CPU s/GB", "cpuPerGb", 2],
];

const CONNECTIONS: readonly Column[] = [
  ["a second", "perSecond", 0],
  ["CPU ms", "cpuPerConnection", 3],
  ["p50, ms", "p50", 2],
  ["p99, ms", "p99", 2],
  ["client, KB", "clientKb", 1],
  ["server, KB", "serverKb", 1],
];

const LATENCY: readonly Column[] = [
  ["alone p50", "aloneP50", 3],
  ["alone p99", "aloneP99", 3],
  ["beside p50", "besideP50", 3],
  ["beside p99", "besideP99", 3],
];

export function tablesOf(medians: Medians): string {
  return [
    "MB/s, and CPU seconds of both ends for a gigabyte down by one stream:",
    tableOf(medians, THROUGHPUT),
    `Short connections: ${WORKERS} at a time, with CPU milliseconds of both ends for each; the time ` +
    `of one where ${REQUESTS} come one after the other; memory of each end for an idle one, of ` +
    `${MOST_HELD} (ssh, v2ray and shadowsocks-rust: of 5000). ssh -W is a process for each, which ` +
    "has a channel of a session that is there (ControlMaster):",
    tableOf(medians, CONNECTIONS),
    `Milliseconds until a message of 100 bytes on an open connection is answered, alone and beside ` +
    `${BULKS} streams down at full speed:`,
    tableOf(medians, LATENCY),
  ].join("\n\n");
}

function tableOf(medians: Medians, columns: readonly Column[]): string {
  return table(
    ["program", ...columns.map(([head]) => head)],
    medians.names.map((name) => [
      name,
      ...columns.map(([, figure, digits]) => format(medians.of(name, figure), digits)),
    ]),
  );
}

/** A list in Markdown: each target with pass, FAIL, or "not measured". */
export function targetsOf(medians: Medians): string {
  const { local, dynamic } = TTUN;
  const ratio = (who: string, figure: FigureName, rivals: readonly string[]) =>
    medians.of(who, figure) / medians.best(rivals, figure);
  const rivals = [SSH.local, SSH.dynamic, SSH.master, V2RAY, RUST];
  return [
    atLeast("-D: one stream down, times shadowsocks-rust", ratio(dynamic, "down", [RUST]), 1),
    atLeast("-L: one stream down, times ssh -L", ratio(local, "down", [SSH.local]), 1.1),
    atLeast("-L: one stream up, times ssh -L", ratio(local, "up", [SSH.local]), 1.1),
    atLeast("-L: connections a second, times the best", ratio(local, "perSecond", rivals), 1.5),
    atMost("-L: p99 beside bulk, times ssh -L", ratio(local, "besideP99", [SSH.local]), 1 / 3),
    atMost("-L: KB of an idle connection, client", medians.of(local, "clientKb"), 4),
    atMost("-L: KB of an idle connection, server", medians.of(local, "serverKb"), 4),
  ].join("\n");
}

function atLeast(what: string, value: number, least: number): string {
  return verdict(what, value, value >= least, `at least ${format(least, 2)}`);
}

function atMost(what: string, value: number, most: number): string {
  return verdict(what, value, value <= most, `at most ${format(most, 2)}`);
}

function verdict(what: string, value: number, isRight: boolean, bound: string): string {
  if (Number.isNaN(value)) return `- not measured: ${what} (${bound})`;
  return `- ${isRight ? "pass" : "FAIL"}: ${what}: ${format(value, 2)} (${bound})`;
}
