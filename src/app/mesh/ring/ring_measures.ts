import { counter, gauge, histogram, type Measure } from "../http/node_metrics.ts";
import type { RequestTimes, RingDriver } from "./ring_driver.ts";

/** Returns the measures of a node of the ring. `links`: nodes that are linked, by transport. */
export function ringMeasures(
  { node, counts, times, commits }: RingDriver,
  links: Readonly<Record<string, number>>,
): Measure[] {
  const { peers, records, bytes, pushedBytes, openCalls, clockOffsetMs, ...status } = node.status();
  const states = { alive: 0, suspect: 0, dead: 0, left: 0 };
  for (const peer of peers) states[peer.status] += 1;
  const byKind = <T>(pick: (one: RequestTimes) => T) => ({
    label: "kind",
    values: Object.fromEntries(Object.entries(times).map(([kind, one]) => [kind, pick(one)])),
  });
  return [
    gauge("nodes", "Other nodes that this one knows", { label: "status", values: states }),
    gauge("nodes_estimate", "Nodes that the ring may have", status.nodesEstimate),
    gauge("ready", "The node has all records of its range", status.state === "ready" ? 1 : 0),
    gauge("records", "Records that the node holds", records),
    gauge("record_bytes", "Bytes of these records", bytes),
    gauge("disk_full", "The node's disk takes no records", status.isDiskFull ? 1 : 0),
    gauge("open_requests", "Requests to other nodes that wait", openCalls),
    gauge(
      "clock_offset_seconds",
      "The median of other nodes' clocks less the own",
      clockOffsetMs / 1000,
    ),
    gauge(
      "under_replicated_buckets",
      "Buckets of the node's range without as many copies as there should be",
      status.underReplicated,
    ),
    gauge("flapping", "Nodes that came back too often, and are asked last", status.flapping),
    gauge("links", "Links with other nodes", { label: "transport", values: links }),
    counter("suspicions_total", "Times that a node was called dead", counts.dead),
    counter("recoveries_total", "Times that a dead node was heard again", counts.alive),
    counter("flaps_total", "Times that one came back too often", status.flaps),
    counter("left_total", "Nodes that have left", counts.left),
    counter("merges_total", "Times that another ring was found", counts.merge),
    counter("skewed_total", "Records refused as their clock was ahead", counts.skew),
    counter("relayed_total", "Requests repeated by way of a neighbour", status.relayed),
    histogram(
      "lookup_hops",
      "Nodes that were asked one after the other for a key's owner",
      status.hops,
    ),
    counter("differences_total", "Records that a copy lacked or had older", status.differences),
    counter("disagreements_total", "Reads whose replicas disagreed", status.disagreements),
    histogram("disk_commit_seconds", "Time of commits to the disk of the ring", commits),
    counter("moved_bytes_total", "Bytes of records sent in repair", pushedBytes),
    histogram(
      "request_seconds",
      "Time of requests of this machine's programs, those that fail too",
      byKind((one) => one.seconds),
    ),
    counter("failures_total", "Those of them that failed", byKind((one) => one.failed)),
  ];
}
