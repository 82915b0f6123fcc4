import { pick, seededRandom } from "./random.ts";
import type { World } from "./world.ts";

/** Something that goes wrong at a time of a run, in milliseconds; nodes by their numbers. */
export type Fault =
  & { readonly at: number }
  & (
    | { readonly is: "crash" | "leave"; readonly node: number }
    | {
      readonly is: "start";
      readonly node: number;
      readonly disk: "kept" | "old" | "lost" | "rotten";
    }
    | { readonly is: "freeze" | "full"; readonly node: number; readonly ms: number }
    | { readonly is: "slow"; readonly node: number; readonly delay: number; readonly ms: number }
    | { readonly is: "clock"; readonly node: number; readonly offset: number; readonly ms: number }
    | {
      readonly is: "part";
      readonly some: readonly number[];
      readonly ms: number;
      readonly isTwoWay: boolean;
    }
    | { readonly is: "cut"; readonly from: number; readonly to: number; readonly ms: number }
    | {
      readonly is: "loss" | "doubling" | "reordering";
      readonly rate: number;
      readonly ms: number;
    }
  );

export type FaultName = Fault["is"];

export interface FaultPlan {
  readonly seed: number;
  readonly nodes: number;
  /** Length of the time in which something goes wrong. */
  readonly ms: number;
  /** Mean time between two faults. */
  readonly everyMs: number;
  readonly kinds: readonly FaultName[];
}

/** Time between two disks that lose something, which is more than a repair takes with a partition. */
const DAMAGE_EVERY_MS = 45_000;

/** Draws faults; each ends within the time, but for nodes that are down at its end. */
export function drawFaults({ seed, nodes, ms, everyMs, kinds }: FaultPlan): Fault[] {
  const random = seededRandom(seed ^ 0x3c3c);
  const faults: Fault[] = [];
  let damagedAt = -Infinity;
  for (let at = everyMs * random(); at < ms; at += 2 * everyMs * random()) {
    const is = kinds[pick(random, kinds.length)]!;
    const node = pick(random, nodes);
    const length = Math.min(ms - at, 200 + 15_000 * random());
    switch (is) {
      case "crash": {
        faults.push({ at, is, node });
        const isDamaged = at + length > damagedAt + DAMAGE_EVERY_MS && random() < 0.6;
        if (isDamaged) damagedAt = at + length;
        const disk = isDamaged ? (["old", "lost", "rotten"] as const)[pick(random, 3)]! : "kept";
        if (random() < 0.8 || isDamaged) faults.push({ at: at + length, is: "start", node, disk });
        break;
      }
      case "leave":
        faults.push({ at, is, node });
        faults.push({ at: at + length, is: "start", node, disk: "kept" });
        break;
      case "start":
        faults.push({ at, is, node, disk: "kept" });
        break;
      case "freeze":
      case "full":
        faults.push({ at, is, node, ms: length });
        break;
      case "slow":
        faults.push({ at, is, node, ms: length, delay: 1000 * random() });
        break;
      case "clock":
        faults.push({ at, is, node, ms: length, offset: 20_000 * (random() - 0.5) });
        break;
      case "part": {
        const some = Array.from({ length: nodes }, (_, i) => i).filter(() => random() < 0.5);
        faults.push({ at, is, some, ms: length, isTwoWay: random() < 0.7 });
        break;
      }
      case "cut":
        faults.push({ at, is, from: node, to: pick(random, nodes), ms: length });
        break;
      case "loss":
      case "doubling":
      case "reordering":
        faults.push({ at, is, rate: 0.2 * random(), ms: length });
        break;
    }
  }
  return faults;
}

/** Has faults come to a world when their time is there. */
export function arrange(world: World, faults: readonly Fault[]): void {
  for (const fault of faults) world.at(fault.at, () => happen(world, fault));
}

/** Copies of disks, for nodes that come back with an old one. */
const OLD_DISKS = new WeakMap<object, () => void>();

function happen(world: World, fault: Fault): void {
  const { network } = world;
  const end = (ms: number, run: () => void) => world.at(fault.at + ms, run);
  const node = "node" in fault ? world.nodes[fault.node]! : null;
  switch (fault.is) {
    case "crash":
      if (!OLD_DISKS.has(node!)) OLD_DISKS.set(node!, node!.disk.copy());
      return world.crash(node!);
    case "leave":
      return world.leave(node!);
    case "start":
      if (node!.ring !== null) return;
      if (fault.disk === "lost") node!.disk.wipe();
      if (fault.disk === "rotten") node!.disk.rot(world.random);
      if (fault.disk === "old") OLD_DISKS.get(node!)?.();
      return world.start(node!);
    case "freeze":
      node!.frozenUntil = fault.at + fault.ms;
      return;
    case "full":
      node!.disk.isFull = true;
      return end(fault.ms, () => node!.disk.isFull = false);
    case "slow":
      node!.delay = fault.delay;
      return end(fault.ms, () => node!.delay = 0);
    case "clock":
      node!.offset += fault.offset;
      return end(fault.ms, () => node!.offset -= fault.offset);
    case "part": {
      const others = world.nodes.map(({ index }) => index).filter((i) => !fault.some.includes(i));
      return end(fault.ms, network.part(fault.some, others, fault.isTwoWay));
    }
    case "cut":
      return end(fault.ms, network.cut(fault.from, fault.to));
    case "loss":
    case "doubling":
    case "reordering":
      network[fault.is] += fault.rate;
      return end(fault.ms, () => network[fault.is] -= fault.rate);
  }
}
