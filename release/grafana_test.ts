import assert from "node:assert/strict";
import { metricsText } from "../src/core/status/metrics.ts";
import dashboard from "./grafana.json" with { type: "json" };

const TEXT = metricsText({
  ...{ version: "1", command: "client", seconds: 1, startedAt: 1, server: "a" },
  device: {
    ...{ name: "ttun0", mtu: 1400, addresses: [] },
    ...{ sentBytes: 1, receivedBytes: 2, sentPackets: 3, receivedPackets: 4 },
  },
  connections: { open: 1, served: 1, pending: 1, sentBytes: 1, receivedBytes: 1 },
  forwards: [],
  tox: {
    ...{ id: "A", network: "udp", friends: { udp: 1, relay: 0 } },
    requests: { letIn: 1, refused: 0 },
  },
  sessions: [{
    ...{ id: 1, peer: "a", wire: "v2", seconds: 1, sentBytes: 1, receivedBytes: 1 },
    ...{ streams: 1, keptBytes: 1, carriers: [{ number: 1, peer: "a", rttMs: 1 }] },
  }],
});

/** Labels that Prometheus adds. */
const OWN = ["instance", "job"];

/** Labels of a metric; undefined = there is no such metric. */
function labelsOf(name: string): string[] | undefined {
  const found = new RegExp(`^${name}(?:\\{(.*)\\})? `, "m").exec(TEXT);
  return found === null
    ? undefined
    : [...(found[1] ?? "").matchAll(/(\w+)="/g)].map(([, label]) => label!);
}

Deno.test("every query of the dashboard names metrics that there are, and labels that they have", () => {
  const targets = dashboard.panels.flatMap(({ targets }) => targets);
  assert.ok(targets.length > 10);
  for (const { expr, legendFormat } of targets) {
    const names = [...expr.matchAll(/ttun_\w+/g)].map(([name]) => name);
    assert.equal(names.length, 1, expr);
    const labels = labelsOf(names[0]!);
    assert.ok(labels !== undefined, expr);
    const used = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g), ...expr.matchAll(/[{,](\w+)=/g)];
    for (const [, label] of used) {
      assert.ok([...labels, ...OWN].includes(label!), `${expr}: ${label}`);
    }
  }
});
