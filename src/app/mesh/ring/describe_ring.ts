import type { Descriptor } from "../../../core/mesh/descriptor.ts";
import type { NodeKey } from "../../../core/mesh/node_id.ts";
import type { ReportedNode, RingReport } from "../../../core/mesh/ring_report.ts";
import type { RingDriver } from "./ring_driver.ts";

/** Tells the ring as this node sees it. `transportOf`: how the link with a node goes. */
export function describeRing(
  { node }: Pick<RingDriver, "node">,
  self: Descriptor,
  transportOf: (key: NodeKey) => string | null,
): RingReport {
  const { state, list, pred, peers, records, bytes, nodesEstimate, clockOffsetMs } = node.status();
  const others = peers.filter(({ key }) => key !== self.key).map(
    ({ key, descriptor, status, rttMs }): ReportedNode => {
      const transport = transportOf(key);
      return {
        ...placeOf(descriptor),
        status,
        ...(rttMs > 0 && { rttMs }),
        ...(transport !== null && { transport }),
      };
    },
  );
  return {
    state,
    successors: list,
    predecessor: pred,
    nodes: [{ ...placeOf(self), status: "self" }, ...others],
    records,
    bytes,
    estimate: nodesEstimate,
    clockOffsetMs,
  };
}

function placeOf({ key, host, zone, roles, position }: Descriptor) {
  return { id: key, host, zone, roles, position: position.toString(16).padStart(32, "0") };
}
