import { isWithin } from "./circle.ts";
import type { Peer } from "./peer.ts";
import type { RingContext } from "./ring_context.ts";

/** How many copies of each record there are, on as many hosts. */
export const COPIES = 3;

/** Returns the first nodes on `most` distinct hosts. */
export function onDistinctHosts(nodes: readonly Peer[], most: number): Peer[] {
  const found: Peer[] = [];
  for (const node of nodes) {
    if (found.length === most) break;
    if (!isOnHostOf(node, found)) found.push(node);
  }
  return found;
}

export function countHosts(nodes: readonly Peer[]): number {
  return onDistinctHosts(nodes, Infinity).length;
}

/** Lists of hosts are short: a set of them costs more than a look at each. */
function isOnHostOf(node: Peer, others: readonly Peer[]): boolean {
  for (const other of others) if (other.host === node.host) return true;
  return false;
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
