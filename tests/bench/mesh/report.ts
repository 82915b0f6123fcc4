/** Tables in Markdown of what was measured, and the targets. */
import { format, table } from "../results.ts";
import { median } from "../statistics.ts";
import { type Operation, OPERATIONS, type StoreContender } from "./contender.ts";
import { etcd } from "./etcd.ts";
import { CLIENTS, type OperationFigures, type StoreFigures } from "./measure.ts";
import { mesh } from "./mesh.ts";

type Found = ReadonlyMap<StoreContender, readonly StoreFigures[]>;
type Figure = "p50" | "p99" | "perSecond" | "cpuMs";

const ETCD_3 = etcd(3).name;

export function reportOf(found: Found): string {
  return [
    ...CLIENTS.map((clients) =>
      [
        `From ${clients} client${clients === 1 ? "" : "s"}: milliseconds p50 / p99, requests per ` +
        "second, CPU milliseconds of all of the store's processes for a request:",
        table(
          ["", ...[...found.keys()].map(({ name }) => name)],
          OPERATIONS.map((operation) => [
            operation,
            ...[...found.values()].map((rounds) => cell(rounds, operation, clients)),
          ]),
        ),
      ].join("\n\n")
    ),
    "Of the process that takes most: percent of a processor at rest, MB before its first request and " +
    "after the load:",
    table(
      ["", "CPU %", "MB before", "MB after"],
      [...found].map(([{ name }, rounds]) => [
        name,
        format(median(rounds.map(({ idleCpu }) => idleCpu)), 2),
        format(median(rounds.map(({ freshMb }) => freshMb)), 0),
        format(median(rounds.map(({ loadedMb }) => loadedMb)), 0),
      ]),
    ),
    "What each promises:",
    ...[...found.keys()].map(({ name, promises }) =>
      [`- ${name}`, ...Object.entries(promises).map(([key, value]) => `  - ${key}: ${value}`)]
        .join("\n")
    ),
    "Targets:",
    targetsOf(found).join("\n"),
  ].join("\n\n");
}

function cell(rounds: readonly StoreFigures[], operation: Operation, clients: number): string {
  const of = (figure: Figure) => figureOf(rounds, operation, clients, figure);
  return `${format(of("p50"), 2)} / ${format(of("p99"), 1)}, ${format(of("perSecond"), 0)}, ` +
    format(of("cpuMs"), 2);
}

function figureOf(
  rounds: readonly StoreFigures[],
  operation: Operation,
  clients: number,
  figure: Figure,
): number {
  const isIt = (one: OperationFigures) => one.operation === operation && one.clients === clients;
  return median(rounds.flatMap(({ operations }) => operations.filter(isIt)).map((o) => o[figure]));
}

/** Without the mesh or etcd's three members there are none but those for an idle process. */
function targetsOf(found: Found): string[] {
  const roundsOf = (name: string) => [...found].find(([one]) => one.name === name)?.[1] ?? [];
  const [ours, theirs] = [roundsOf(mesh.name), roundsOf(ETCD_3)];
  const ratio = (operation: Operation, figure: Figure, clients = 1) =>
    figureOf(ours, operation, clients, figure) / figureOf(theirs, operation, clients, figure);
  const idleOf = (figure: "idleCpu" | "freshMb") => median(ours.map((round) => round[figure]));
  return [
    atMost("soft get p50, to etcd's serializable one", ratio("soft get", "p50"), 1.5),
    atMost("durable get p50, to etcd's linearizable one", ratio("durable get", "p50"), 1),
    atLeast("soft puts per second, to etcd's", ratio("soft put", "perSecond"), 3),
    atLeast("durable puts per second, to etcd's", ratio("durable put", "perSecond"), 0.5),
    atMost("an idle node, percent of a processor", idleOf("idleCpu"), 1),
    atMost("an idle node, MB", idleOf("freshMb"), 130),
  ];
}

function atMost(what: string, value: number, most: number): string {
  return line(what, value, `at most ${most}`, value <= most);
}

function atLeast(what: string, value: number, least: number): string {
  return line(what, value, `at least ${least}`, value >= least);
}

function line(what: string, value: number, target: string, isMet: boolean): string {
  return `- ${what}: ${format(value, 2)}, target ${target}: ${isMet ? "met" : "missed"}`;
}
