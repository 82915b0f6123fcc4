import { isWithin } from "./circle.ts";
import type { Peer } from "./peer.ts";
import type { RingContext } from "./ring_context.ts";

/** How many copies of each record there are, on as many hosts. */
export const COPIES = 3;

/** Returns the first nodes on `most` distinct hosts. */
export function onDistinctHosts(nodes: readonly Peer[], most: number): Peer[] {
  const found: Peer[] = [];
  const hosts = new Set<string>();
  for (const node of nodes) {
    if (found.length === most) break;
    if (hosts.has(node.host)) continue;
    hosts.add(node.host);
    found.push(node);
  }
  return found;
}

export function countHosts(nodes: readonly Peer[]): number {
  return new Set(nodes.map(({ host }) => host)).size;
}

/** Other nodes that hold copies of what this node owns. */
export function ownReplicas(ring: RingContext): Peer[] {
  return onDistinctHosts([ring.self, ...ring.list], COPIES).slice(1);
}

/** Returns where the kept range begins, which ends at the node itself; null where all is kept. */
export function keptFrom(ring: RingContext): bigint | null {
  const hosts = new Set<string>();
  for (const peer of ring.preds) {
    if (peer.host === ring.self.host) return peer.position;
    hosts.add(peer.host);
    if (hosts.size === COPIES) return peer.position;
  }
  return null;
}

/** True if the node is one of the replicas of a position. */
export function keeps(ring: RingContext, position: bigint): boolean {
  const from = keptFrom(ring);
  return from === null || isWithin(from, position, ring.self.position);
}
