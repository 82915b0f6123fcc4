import type { Fault } from "./faults.ts";
import { pick, seededRandom } from "./random.ts";
import { inOrder } from "./ring_checks.ts";
import { World } from "./world.ts";

/** Faults in which, again and again, some nodes that stand side by side lose their disks at once. */
export function adjacentLosses(
  o: { seed: number; nodes: number; ms: number; everyMs: number; adjacent: number },
): Fault[] {
  const world = new World({ seed: o.seed });
  for (let i = 0; i < o.nodes; i++) world.start(world.add());
  const order = inOrder(world).map(({ index }) => index);
  const random = seededRandom(o.seed ^ 0x7777);
  const faults: Fault[] = [];
  for (let at = 20_000; at + 5000 < o.ms; at += o.everyMs) {
    const first = pick(random, o.nodes);
    for (let i = 0; i < o.adjacent; i++) {
      const node = order[(first + i) % o.nodes]!;
      faults.push({ at, is: "crash", node });
      faults.push({ at: at + 1000 + 4000 * random(), is: "start", node, disk: "lost" });
    }
  }
  return faults;
}
