/** One number of a node's, or several that differ by a label. */
export interface Measure {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  /** A number, or numbers by the value of the label. */
  readonly value: number | {
    readonly label: string;
    readonly values: Readonly<Record<string, number>>;
  };
}

/** Writes a node's measures in Prometheus's text format. */
export function nodeMetrics(measures: readonly Measure[]): string {
  return measures.map(({ name, help, type, value }) => {
    const whole = `ttun_mesh_${name}`;
    const lines = typeof value === "number" ? [`${whole} ${value}`] : Object.entries(value.values)
      .map(([one, number]) => `${whole}{${value.label}="${one}"} ${number}`);
    return `# HELP ${whole} ${help}\n# TYPE ${whole} ${type}\n${lines.join("\n")}\n`;
  }).join("");
}
