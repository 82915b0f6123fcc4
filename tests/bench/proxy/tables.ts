/** The medians as tables in Markdown, with ratios to the rivals of the same cipher. */
import { format, table } from "../results.ts";
import type { ReadyContender } from "./contender.ts";
import { HELD, REQUESTS, STREAMS, WORKERS } from "./measure.ts";
import type { FigureName, Medians } from "./medians.ts";
import { libevName, rustName } from "./shadowsocks.ts";

interface Column {
  head: string;
  figure: FigureName;
  digits: number;
  hasRatios?: boolean;
}

const THROUGHPUT: readonly Column[] = [
  { head: "down", figure: "down", digits: 0, hasRatios: true },
  { head: "up", figure: "up", digits: 0, hasRatios: true },
  { head: `${STREAMS} streams down`, figure: "eightDown", digits: 0, hasRatios: true },
  { head: `${STREAMS} streams up`, figure: "eightUp", digits: 0, hasRatios: true },
  { head: "CPU s/GB", figure: "cpuPerGb", digits: 2, hasRatios: true },
];

const CONNECTIONS: readonly Column[] = [
  { head: "a second", figure: "perSecond", digits: 0, hasRatios: true },
  { head: "CPU ms", figure: "cpuPerConnection", digits: 3, hasRatios: true },
  { head: "p50, ms", figure: "p50", digits: 2, hasRatios: true },
  { head: "p99, ms", figure: "p99", digits: 2, hasRatios: true },
  { head: "client, MB", figure: "clientMb", digits: 1 },
  { head: "server, MB", figure: "serverMb", digits: 1 },
];

export function tablesOf(medians: Medians): string {
  return [
    "MB/s through SOCKS5, and CPU seconds of both ends for a gigabyte down by one stream; in " +
    "brackets the ratios to shadowsocks-libev and to shadowsocks-rust with the same cipher:",
    tableOf(medians, THROUGHPUT),
    `Short connections: ${WORKERS} at a time, with CPU milliseconds of both ends for each; the time ` +
    `of one where ${REQUESTS} come one after the other; memory of each end for ${HELD} idle ones:`,
    tableOf(medians, CONNECTIONS),
  ].join("\n\n");
}

function tableOf(medians: Medians, columns: readonly Column[]): string {
  return table(
    ["program", ...columns.map(({ head }) => head)],
    medians.contenders.map((contender) => [
      contender.name,
      ...columns.map((column) => cellOf(medians, contender, column)),
    ]),
  );
}

function cellOf(
  medians: Medians,
  { name, cipher }: ReadyContender,
  { figure, digits, hasRatios = false }: Column,
): string {
  const value = medians.of(name, figure);
  const text = format(value, digits);
  if (!hasRatios || cipher === null) return text;
  const ratios = [libevName(cipher), rustName(cipher)]
    .map((rival) => format(value / medians.of(rival, figure), 2));
  return `${text} (${ratios.join(", ")})`;
}
