/** The figures of all rounds, and their medians as tables in Markdown. */
import type { Figures } from "./measure.ts";
import { openvpnName } from "./openvpn.ts";
import { median } from "./statistics.ts";
import { WIREGUARD } from "./wireguard.ts";

export type FigureName = keyof Figures;

export class Results {
  readonly #rounds = new Map<string, Figures[]>();

  /** In the order of the tables. */
  constructor(names: readonly string[]) {
    for (const name of names) this.#rounds.set(name, []);
  }

  add(name: string, figures: Figures): void {
    this.#rounds.get(name)!.push(figures);
  }

  get names(): string[] {
    return [...this.#rounds.keys()];
  }

  /** The median of the rounds that have the figure; NaN where none has. */
  of(name: string, figure: FigureName): number {
    const values = (this.#rounds.get(name) ?? []).map((figures) => figures[figure]);
    return median(values.filter((value) => !Number.isNaN(value)));
  }
}

/** Throughput with ratios, then what it costs. */
export function tablesOf(results: Results): string {
  const withRatios = (name: string, figure: FigureName) => {
    const value = results.of(name, figure);
    const ratios = [WIREGUARD, openvpnName("tcp")]
      .map((base) => format(value / results.of(base, figure), 2)).join(", ");
    return `${format(value, 0)} (${ratios})`;
  };
  const throughput: FigureName[] = ["up", "down", "fourUp", "fourDown"];
  return [
    "Mbit/s; in brackets the ratios to wireguard-go and to OpenVPN TCP:",
    table(
      ["program", "up", "down", "4 streams up", "4 streams down"],
      results.names.map((name) => [name, ...throughput.map((figure) => withRatios(name, figure))]),
    ),
    "Ping in ms, idle and under load (lost: so many had no answer); CPU seconds of both ends for a gigabyte up; most memory of " +
    "an end in MB:",
    table(
      ["program", "idle p50", "idle p99", "load p50", "load p99", "CPU s/GB", "peak RSS MB"],
      results.names.map((name) => [
        name,
        format(results.of(name, "idleP50"), 3),
        format(results.of(name, "idleP99"), 3),
        format(results.of(name, "loadP50"), 3),
        format(results.of(name, "loadP99"), 3),
        format(results.of(name, "cpuPerGb"), 2),
        format(results.of(name, "peakMb"), 0),
      ]),
    ),
  ].join("\n\n");
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

export function format(value: number, digits: number): string {
  if (Number.isNaN(value)) return "–";
  return value === Infinity ? "lost" : value.toFixed(digits);
}
