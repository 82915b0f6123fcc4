import type { Histogram } from "../../../core/mesh/histogram.ts";

/** Values by the value of a label. */
interface Labelled<T> {
  readonly label: string;
  readonly values: Readonly<Record<string, T>>;
}

interface Named {
  readonly name: string;
  readonly help: string;
}

/** One number of a node's or one histogram, or several that differ by a label. */
export type Measure =
  & Named
  & (
    | { readonly type: "gauge" | "counter"; readonly value: number | Labelled<number> }
    | { readonly type: "histogram"; readonly value: Histogram | Labelled<Histogram> }
  );

export function gauge(name: string, help: string, value: number | Labelled<number>): Measure {
  return { name, help, type: "gauge", value };
}

export function counter(name: string, help: string, value: number | Labelled<number>): Measure {
  return { name, help, type: "counter", value };
}

export function histogram(
  name: string,
  help: string,
  value: Histogram | Labelled<Histogram>,
): Measure {
  return { name, help, type: "histogram", value };
}

/** Writes a node's measures in Prometheus's text format. */
export function nodeMetrics(measures: readonly Measure[]): string {
  return measures.map((measure) => {
    const name = `ttun_mesh_${measure.name}`;
    const lines = measure.type === "histogram"
      ? linesOf(measure.value, (one, labels) => histogramLines(name, one, labels))
      : linesOf(measure.value, (one, labels) => [`${name}${braced(labels)} ${one}`]);
    return `# HELP ${name} ${measure.help}\n# TYPE ${name} ${measure.type}\n${lines.join("\n")}\n`;
  }).join("");
}

function linesOf<T extends number | Histogram>(
  value: T | Labelled<T>,
  write: (one: T, labels: readonly string[]) => string[],
): string[] {
  if (typeof value !== "object" || !("label" in value)) return write(value as T, []);
  return Object.entries(value.values).flatMap(([one, of]) =>
    write(of, [`${value.label}="${one}"`])
  );
}

function histogramLines(
  name: string,
  { bounds, counts, sum }: Histogram,
  labels: readonly string[],
): string[] {
  let below = 0;
  const classes = counts.map((count, i) => {
    below += count;
    return `${name}_bucket${braced([...labels, `le="${bounds[i] ?? "+Inf"}"`])} ${below}`;
  });
  const whole = braced(labels);
  return [...classes, `${name}_sum${whole} ${sum}`, `${name}_count${whole} ${below}`];
}

function braced(labels: readonly string[]): string {
  return labels.length === 0 ? "" : `{${labels.join(",")}}`;
}
