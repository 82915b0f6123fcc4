import { Client } from "./client.ts";
import { arrange, drawFaults, type Fault, type FaultName } from "./faults.ts";
import { seededRandom } from "./random.ts";
import { checkRemoval, faultOfCopies, VersionWatch } from "./record_checks.ts";
import { checkNeighbours, faultOfRing } from "./ring_checks.ts";
import { showFaults, shrink } from "./shrink.ts";
import { World } from "./world.ts";

export interface RunOptions {
  readonly seed: number;
  readonly nodes: number;
  /** How many processes are on each host; 1 by default. */
  readonly perHost?: number;
  /** Length of the time with faults, in milliseconds. */
  readonly ms: number;
  readonly everyMs: number;
  readonly kinds: readonly FaultName[];
  /** Writes in each second, and as many reads; none by default. */
  readonly perSecond?: number;
  readonly keys?: number;
}

export interface RunResult {
  /** The first thing that was wrong, or null. */
  readonly failure: string | null;
  /** How long after the last fault all was well again. */
  readonly settledMs: number;
  readonly world: World;
  readonly client: Client;
}

export const ALL_FAULTS: readonly FaultName[] = [
  "crash",
  "crash",
  "leave",
  "freeze",
  "slow",
  "clock",
  "full",
  "part",
  "part",
  "cut",
  "loss",
  "doubling",
  "reordering",
];

/** How long a fleet may take to be well again: 20 s and 2 s for each doubling. */
export function quietMs(nodes: number): number {
  return 20_000 + 2000 * Math.log2(nodes);
}

export function faultsOf(o: RunOptions): Fault[] {
  return drawFaults(o);
}

/** Runs a fleet with faults until it is quiet, and tells whether all was as it must be. */
export function run(o: RunOptions, faults: readonly Fault[] = faultsOf(o)): RunResult {
  const versions = new VersionWatch();
  let checks = 0;
  const world = new World({
    seed: o.seed,
    choosesPlaces: o.seed % 2 === 0,
    check(world, node) {
      checkNeighbours(world, node);
      if (++checks % 256 === 0) versions.check(world, node);
    },
    checkRemoval(world, node, batch) {
      checkRemoval(world, node, batch);
      versions.removed(node, batch);
    },
  });
  const { perHost = 1, perSecond = 0, keys = 200 } = o;
  const seeds = [0, 1, 2].slice(0, o.nodes);
  for (let i = 0; i < o.nodes; i++) world.add({ host: `h${Math.floor(i / perHost)}`, seeds });
  for (const node of world.nodes) world.at(2000 * world.random(), () => world.start(node));
  const client = new Client(world, seededRandom(o.seed ^ 0x1234), keys);
  if (perSecond > 0) world.at(10_000, () => client.start(perSecond));
  arrange(world, faults);
  const result = (failure: string | null, settledMs = 0) => ({ failure, settledMs, world, client });
  try {
    world.pass(o.ms);
    client.stop();
    for (const node of world.nodes) world.start(node);
    const wrong = () => faultOfRing(world) ?? faultOfCopies(world) ?? client.lost();
    const most = quietMs(o.nodes) + 5000;
    const settled = world.passUntil(() => wrong() === null, most, 1000);
    if (settled === null) return result(wrong());
    // A frame that was late may have left a copy at a node that is no replica, for one round.
    world.pass(15_000);
    world.passUntil(() => wrong() === null, 15_000, 1000);
    return result(wrong(), settled);
  } catch (error) {
    return result(error instanceof Error ? error.stack ?? error.message : String(error));
  }
}

/** Throws with the seed and the fewest faults that make it fail. */
export function mustSettle(o: RunOptions): RunResult {
  const result = run(o);
  if (result.failure === null) return result;
  const few = shrink(faultsOf(o), (faults) => run(o, faults).failure !== null);
  const { failure } = run(o, few);
  throw new Error(`Seed ${o.seed} with ${o.nodes} nodes: ${failure}\n${showFaults(few)}`);
}
