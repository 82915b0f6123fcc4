/** Medians as a table in Markdown, and what they say about the targets. */
import { format, table } from "../results.ts";
import { median } from "../statistics.ts";
import type { ReadyContender } from "./contender.ts";
import { FAR_MS, type Figures } from "./measure.ts";
import { TICKET, TLS } from "./ttun.ts";

type Found = ReadonlyMap<string, readonly Figures[]>;

export function tableOf(contenders: readonly ReadyContender[], found: Found): string {
  return table(
    [
      "program",
      "MB/s",
      "to the best other",
      "CPU s/GB",
      "whole, s",
      "first byte, ms",
      "round trips to it",
    ],
    contenders.map((contender) => {
      const of = (figure: keyof Figures) => medianOf(found, contender.name, figure);
      return [
        contender.name,
        format(of("mbPerSecond"), 0),
        format(ratioOf(contender, contenders, found), 2),
        format(of("cpuPerGb"), 2),
        format(of("whole"), 2),
        format(of("firstByte"), 0),
        format(roundTrips(found, contender.name), 1),
      ];
    }),
  );
}

function medianOf(found: Found, name: string, figure: keyof Figures): number {
  return median((found.get(name) ?? []).map((figures) => figures[figure]));
}

/** By the quickest of all rounds near and far: what delays a start comes on top, and differs. */
function roundTrips(found: Found, name: string): number {
  const runs = found.get(name) ?? [];
  if (runs.length === 0) return NaN;
  const least = (figure: "firstByte" | "farFirstByte") =>
    Math.min(...runs.map((figures) => figures[figure]));
  return (least("farFirstByte") - least("firstByte")) / FAR_MS;
}

/** The median of the rounds' ratios to that round's best rival of the same kind; NaN without one. */
function ratioOf(
  { name, kind }: ReadyContender,
  contenders: readonly ReadyContender[],
  found: Found,
): number {
  const rivals = contenders.filter((other) => other.isRival && other.kind === kind);
  const runs = found.get(name) ?? [];
  const ratios = runs.map(({ mbPerSecond }, round) => {
    const theirs = rivals.map((rival) => found.get(rival.name)?.[round]?.mbPerSecond ?? NaN);
    const known = theirs.filter((value) => !Number.isNaN(value));
    return known.length === 0 ? NaN : mbPerSecond / Math.max(...known);
  });
  return median(ratios.filter((ratio) => !Number.isNaN(ratio)));
}

/** Round trips that TLS 1.3 over TCP takes for a byte of the client's, and what may be added. */
const TLS_ROUND_TRIPS = 2.5;
const MORE_ROUND_TRIPS = 1.2;

export function targetsOf(contenders: readonly ReadyContender[], found: Found): string {
  const lines: string[] = [];
  const say = (what: string, value: number, isMet: boolean, target: string) =>
    lines.push(`- ${what}: ${format(value, 2)}, target ${target}: ${isMet ? "met" : "missed"}`);
  for (const contender of contenders) {
    if (contender.isRival) continue;
    const least = contender.name === TLS ? 1.3 : contender.name === TICKET ? 1 : null;
    const ratio = ratioOf(contender, contenders, found);
    if (least !== null && !Number.isNaN(ratio)) {
      say(`${contender.name}, times the best other`, ratio, ratio >= least, `${least}`);
    }
    if (contender.kind !== "pipe") continue;
    const trips = roundTrips(found, contender.name);
    const most = TLS_ROUND_TRIPS + MORE_ROUND_TRIPS;
    say(`${contender.name}, round trips to the first byte`, trips, trips <= most, `${most}`);
  }
  return lines.join("\n");
}
