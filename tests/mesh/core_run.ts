import { coreWorld, finish } from "./core_fleet.ts";
import { arrange, drawFaults, type Fault, type FaultName } from "./faults.ts";
import { showFaults, shrink } from "./shrink.ts";

const CORE_FAULTS: readonly FaultName[] = [
  ...["crash", "crash", "freeze", "slow", "clock", "part", "part", "cut"] as const,
  ...["loss", "doubling", "reordering"] as const,
];

function runCore(seed: number, faults: readonly Fault[]): string | null {
  const sim = coreWorld(seed);
  const { world, host, clients } = sim;
  try {
    arrange(world, faults);
    for (const client of clients) client.start();
    if (seed % 3 === 0) world.at(30_000, () => host.move(world.nodes[1]!, 1500));
    world.pass(60_000);
    for (const node of world.nodes) world.start(node);
    const { counted } = sim.history;
    world.pass(15_000);
    if (sim.history.counted <= counted) return "Nobody counts on after the faults";
    if (sim.history.holdings.at(-1)!.until <= world.now) return "Nobody holds the lease";
    finish(sim);
    return null;
  } catch (error) {
    return error instanceof Error ? error.stack ?? error.message : String(error);
  }
}

/** Throws with the seed and the fewest faults where a core with faults answers as none may. */
export function mustHoldCore(seed: number): void {
  const faults = drawFaults({ seed, nodes: 5, ms: 60_000, everyMs: 4000, kinds: CORE_FAULTS });
  if (runCore(seed, faults) === null) return;
  const few = shrink(faults, (some) => runCore(seed, some) !== null);
  throw new Error(`Seed ${seed}: ${runCore(seed, few)}\n${showFaults(few)}`);
}
