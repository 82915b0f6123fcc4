import { distance, isWithin } from "./circle.ts";
import type { NextAnswer } from "./frame.ts";
import type { Peer } from "./peer.ts";
import { COPIES, countHosts } from "./replicas.ts";
import { LIST_LENGTH, type RingContext } from "./ring_context.ts";

/** Hosts that a list of an owner and its successors has, so that there are some to spare. */
const HOSTS = 5;

/** Peers that know a position better, or those that have it. */
export interface Route {
  readonly isDone: boolean;
  readonly after: bigint | null;
  readonly nodes: readonly Peer[];
}

/** Tells what a node knows of a position. */
export function routeTo(ring: RingContext, position: bigint, isProbe: boolean): Route {
  const { self, pred, list, now } = ring;
  const own = ring.state === "leaving" ? [] : [self];
  const [head] = list;
  if (head === undefined) {
    // A node that has found nobody yet would take every record for its own.
    const isFirst = ring.peers.size === 0 && !ring.hasSeeds;
    const isAlone = isProbe || ring.state !== "warming" || isFirst;
    if (isAlone && pred === null) return { isDone: true, after: null, nodes: own };
    return { isDone: false, after: null, nodes: ring.peers.before(position, 2, now) };
  }
  if (pred !== null && isWithin(pred.position, position, self.position)) {
    return { isDone: true, after: pred.position, nodes: upToHosts([...own, ...list]) };
  }
  if (isWithin(self.position, position, head.position)) {
    // In a small ring the node itself is the last one behind the position.
    const nodes = list.length < LIST_LENGTH ? [...list, ...own] : list;
    return { isDone: true, after: self.position, nodes: upToHosts(nodes) };
  }
  return { isDone: false, after: null, nodes: nearest(ring, position) };
}

/**
 * Tells the owner where that is the predecessor, whose range begins at the one before it; null where it
 * is another one. The predecessor has told of that one about a second ago, so other nodes are not sent
 * there by this: they ask the predecessor itself.
 */
export function routeToPredecessor(ring: RingContext, position: bigint): Route | null {
  const { self, pred, preds, list, now } = ring;
  const second = preds[1];
  if (pred === null || second === undefined || pred !== preds[0] || list.length === 0) return null;
  if (!isWithin(second.position, position, pred.position)) return null;
  if (pred.isDead(now) || second.isDead(now) || pred.state === "leaving") return null;
  const own = ring.state === "leaving" ? [] : [self];
  const nodes = [pred, ...own, ...list.filter((peer) => peer !== pred)];
  return { isDone: true, after: second.position, nodes: upToHosts(nodes) };
}

/**
 * Adds the own neighbours to an owner and its successors that another node has told, where one of them
 * is nearer, or too few hosts were told: then that node is, or was a moment ago, in a smaller ring.
 */
export function withNeighbours(
  ring: RingContext,
  position: bigint,
  told: readonly Peer[],
): readonly Peer[] {
  const { self, now } = ring;
  const far = (peer: Peer) => distance(position, peer.position);
  const owner = told[0]!;
  const own = ring.state === "leaving" ? [] : [self];
  const near = new Set([...own, ...ring.list, ...ring.preds].filter((peer) => !peer.isDead(now)));
  const isWhole = countHosts(told) >= COPIES;
  if (isWhole && ![...near].some((peer) => far(peer) < far(owner))) return told;
  for (const peer of told) near.add(peer);
  return [...near].sort((a, b) => far(a) < far(b) ? -1 : 1);
}

/** The two nearest of all that are known, and the two nearest neighbours and fingers. */
function nearest(ring: RingContext, position: bigint): Peer[] {
  const { self, now } = ring;
  const own = distance(self.position, position);
  const isNearer = (peer: Peer) => distance(peer.position, position) < own;
  const found = ring.peers.before(position, 2, now).filter(isNearer);
  const near: { peer: Peer; far: bigint }[] = [];
  for (const peer of [...ring.list, ...ring.fingers.values()]) {
    if (peer.isDead(now) || peer === self || found.includes(peer) || !isNearer(peer)) continue;
    const far = distance(peer.position, position);
    if (near.length > 1 && far >= near[1]!.far) continue;
    near[near.length > 1 ? 1 : near.length] = { peer, far };
    if (near.length > 1 && far < near[0]!.far) near.reverse();
  }
  for (const { peer } of near) found.push(peer);
  return found;
}

function upToHosts(nodes: readonly Peer[]): readonly Peer[] {
  if (nodes.length <= HOSTS) return nodes;
  const hosts = new Set<string>();
  for (let i = 0; i < nodes.length; i++) {
    hosts.add(nodes[i]!.host);
    if (hosts.size === HOSTS) return nodes.slice(0, i + 1);
  }
  return nodes;
}

/** Tells the owner of a position as `routeTo` does, where this node knows it itself; else null. */
export function ownRoute(ring: RingContext, position: bigint): Route | null {
  const route = routeToPredecessor(ring, position) ?? routeTo(ring, position, false);
  return route.isDone && route.nodes.length > 0 ? route : null;
}

export function nextAnswer({ isDone, after, nodes }: Route): NextAnswer {
  return { to: "next", isDone, after, nodes: nodes.map(({ descriptor }) => descriptor) };
}
