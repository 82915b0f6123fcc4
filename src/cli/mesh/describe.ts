import type { Health } from "../../contract/mesh_store.ts";
import type { MeshStatus } from "../../core/status/report.ts";
import type { RingStatus } from "../../core/mesh/ring_status.ts";

/** Tells `ttun status` of a running node. `hasCore`: this node has it; null = an etcd cluster does. */
export function describeNode(
  { peers, records, bytes }: RingStatus,
  { ring, core }: Pick<Health, "ring" | "core">,
  o: Pick<MeshStatus, "node" | "host" | "roles" | "links"> & { readonly hasCore: boolean | null },
): MeshStatus {
  const { node, host, roles, links, hasCore } = o;
  const nodes = { alive: 0, suspect: 0, dead: 0, left: 0 };
  for (const { key, status } of peers) if (key !== node) nodes[status] += 1;
  return {
    ...{ node, host, roles, ring, links, nodes, records, bytes },
    core: hasCore === null ? "etcd" : hasCore ? "here" : core,
  };
}
