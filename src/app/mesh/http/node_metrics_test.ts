import assert from "node:assert/strict";
import { Histogram } from "../../../core/mesh/histogram.ts";
import { counter, gauge, histogram, nodeMetrics } from "./node_metrics.ts";

Deno.test("metrics: a histogram counts what is at or below each bound", () => {
  const values = new Histogram([1, 5]);
  for (const value of [0, 1, 2, 5, 6]) values.add(value);
  assert.equal(
    nodeMetrics([histogram("hops", "Hops", values)]),
    [
      "# HELP ttun_mesh_hops Hops",
      "# TYPE ttun_mesh_hops histogram",
      'ttun_mesh_hops_bucket{le="1"} 2',
      'ttun_mesh_hops_bucket{le="5"} 4',
      'ttun_mesh_hops_bucket{le="+Inf"} 5',
      "ttun_mesh_hops_sum 14",
      "ttun_mesh_hops_count 5",
      "",
    ].join("\n"),
  );
});

Deno.test("metrics: each value of a label has its numbers or its histogram", () => {
  const get = new Histogram([1]);
  get.add(3);
  const text = nodeMetrics([
    gauge("ready", "Ready", 1),
    counter("failures_total", "Failures", { label: "kind", values: { get: 2, list: 0 } }),
    histogram("seconds", "Time", { label: "kind", values: { get } }),
  ]);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  assert.deepEqual(lines, [
    "ttun_mesh_ready 1",
    'ttun_mesh_failures_total{kind="get"} 2',
    'ttun_mesh_failures_total{kind="list"} 0',
    'ttun_mesh_seconds_bucket{kind="get",le="1"} 0',
    'ttun_mesh_seconds_bucket{kind="get",le="+Inf"} 1',
    'ttun_mesh_seconds_sum{kind="get"} 3',
    'ttun_mesh_seconds_count{kind="get"} 1',
  ]);
});
