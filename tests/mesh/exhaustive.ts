import { Client } from "./client.ts";
import { seededRandom } from "./random.ts";
import { checkRemoval, faultOfCopies } from "./record_checks.ts";
import { checkNeighbours, faultOfRing } from "./ring_checks.ts";
import { quietMs } from "./run.ts";
import { World } from "./world.ts";

/** One thing that happens: a node stops or starts, or some are parted from the rest, or all is mended. */
type Move =
  | { readonly is: "toggle"; readonly node: number }
  | { readonly is: "part"; readonly some: readonly number[] }
  | { readonly is: "mend" };

function movesOf(nodes: number): Move[] {
  const moves: Move[] = [{ is: "mend" }];
  for (let node = 0; node < nodes; node++) moves.push({ is: "toggle", node });
  // Of a set and its complement one will do.
  for (let bits = 1; bits < 1 << (nodes - 1); bits++) {
    moves.push({
      is: "part",
      some: Array.from({ length: nodes }, (_, i) => i).filter((i) => bits >> i & 1),
    });
  }
  return moves;
}

/**
 * Tries all orders of moves up to a depth, with each of some pauses between them, on rings that were
 * there before and on nodes that were down. Returns how many; throws at the first that ends badly.
 */
export function tryAll(nodes: number, depth: number, pauses: readonly number[]): number {
  const moves = movesOf(nodes);
  const choices = moves.length * pauses.length;
  let runs = 0;
  for (let order = 0; order < choices ** depth; order++) {
    for (const isFresh of [false, true]) {
      const steps: { move: Move; pause: number }[] = [];
      for (let i = 0, rest = order; i < depth; i++, rest = Math.floor(rest / choices)) {
        const choice = rest % choices;
        steps.push({
          move: moves[choice % moves.length]!,
          pause: pauses[Math.floor(choice / moves.length)]!,
        });
      }
      const fault = tryOne(nodes, steps, isFresh, order);
      if (fault !== null) throw new Error(`${fault} after ${JSON.stringify({ isFresh, steps })}`);
      runs++;
    }
  }
  return runs;
}

function tryOne(
  nodes: number,
  steps: readonly { move: Move; pause: number }[],
  isFresh: boolean,
  seed: number,
): string | null {
  const world = new World({ seed, check: checkNeighbours, checkRemoval });
  const seeds = Array.from({ length: nodes }, (_, i) => i);
  for (let i = 0; i < nodes; i++) world.add({ seeds });
  const client = new Client(world, seededRandom(seed), 8);
  if (!isFresh) {
    for (const node of world.nodes) world.start(node);
    world.pass(6000);
  }
  let mend = () => {};
  const mendAll = () => {
    mend();
    mend = () => {};
  };
  for (const [i, { move, pause }] of steps.entries()) {
    client.write(`kv/b${i}/x`);
    client.write(`kv/b0/x`);
    if (move.is === "mend") mendAll();
    else if (move.is === "part") {
      mendAll();
      mend = world.network.part(move.some, seeds.filter((node) => !move.some.includes(node)), true);
    } else {
      const node = world.nodes[move.node]!;
      if (node.ring === null) world.start(node);
      else world.crash(node);
    }
    world.pass(pause);
  }
  mendAll();
  for (const node of world.nodes) world.start(node);
  const wrong = () => faultOfRing(world) ?? faultOfCopies(world) ?? client.lost();
  // Writes that began in the last moment have five seconds.
  world.pass(6000);
  world.passUntil(() => wrong() === null, quietMs(nodes), 1000);
  return wrong();
}
