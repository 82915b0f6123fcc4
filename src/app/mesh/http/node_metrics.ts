export interface NodeMeasures {
  readonly uptimeSeconds: number;
  /** Until the node's certificate ends. */
  readonly certificateSeconds: number;
  readonly revokedNodes: number;
}

const METRICS: { readonly [K in keyof NodeMeasures]: readonly [name: string, help: string] } = {
  uptimeSeconds: ["ttun_mesh_uptime_seconds", "Time since the node started"],
  certificateSeconds: ["ttun_mesh_certificate_seconds", "Time until the node's certificate ends"],
  revokedNodes: ["ttun_mesh_revoked_nodes", "Nodes whose certificates count no more"],
};

/** Writes a node's measures in Prometheus's text format. */
export function nodeMetrics(measures: NodeMeasures): string {
  return Object.entries(METRICS).map(([key, [name, help]]) =>
    `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${measures[key as keyof NodeMeasures]}\n`
  ).join("");
}
