import { distance } from "../../src/core/mesh/circle.ts";
import { LIST_LENGTH } from "../../src/core/mesh/ring_context.ts";
import type { SimulatedNode, World } from "./world.ts";

/** Throws where a node's neighbours are not as they must be at any time. */
export function checkNeighbours(world: World, node: SimulatedNode): void {
  if (node.ring === null) return;
  const { list, pred } = node.ring.neighbours();
  let far = 0n;
  for (const key of list) {
    const next = distance(node.descriptor.position, node.ring.descriptorOf(key)!.position);
    if (next <= far) throw new Error(`List of node ${node.index} is not in order at ${world.now}`);
    far = next;
  }
  if (list.length > LIST_LENGTH) throw new Error(`List of node ${node.index} is too long`);
  if (pred === node.key) throw new Error(`Node ${node.index} is its own predecessor`);
}

/** Live nodes in the order of the ring. */
export function inOrder(world: World): SimulatedNode[] {
  return world.live.sort((a, b) => a.descriptor.position < b.descriptor.position ? -1 : 1);
}

/** Returns what is wrong with the ring, or null: one cycle, predecessors inverse. */
export function faultOfCycle(world: World): string | null {
  const nodes = inOrder(world);
  for (const [i, node] of nodes.entries()) {
    const next = nodes[(i + 1) % nodes.length]!;
    const { list } = node.ring!.neighbours();
    if (nodes.length === 1) return list.length === 0 ? null : `Node ${node.index} is not alone`;
    const head = list[0] === undefined ? "none" : world.nodeOf(list[0]).index;
    if (head !== next.index) return `Node ${node.index} has successor ${head}, not ${next.index}`;
    const { pred } = next.ring!.neighbours();
    const before = pred === null ? "none" : world.nodeOf(pred).index;
    if (before !== node.index) {
      return `Node ${next.index} has predecessor ${before}, not ${node.index}`;
    }
  }
  return null;
}

/** Beside the cycle: all lists are the next nodes in their order. */
export function faultOfRing(world: World): string | null {
  const cycle = faultOfCycle(world);
  if (cycle !== null) return cycle;
  const nodes = inOrder(world);
  const length = Math.min(LIST_LENGTH, nodes.length - 1);
  for (const [i, node] of nodes.entries()) {
    const { list, preds } = node.ring!.neighbours();
    const after = Array.from({ length }, (_, k) => nodes[(i + 1 + k) % nodes.length]!.key);
    if (after.join() !== list.join()) return `List of node ${node.index}: ${show(world, list)}`;
    const before = Array.from(
      { length },
      (_, k) => nodes[(i - 1 - k + nodes.length * 2) % nodes.length]!.key,
    );
    if (preds.some((key, k) => key !== before[k]) || preds.length < Math.min(3, length)) {
      return `Predecessors of node ${node.index}: ${show(world, preds)}`;
    }
  }
  return null;
}

function show(world: World, keys: readonly string[]): string {
  return keys.map((key) => world.nodeOf(key).index).join(" ");
}
