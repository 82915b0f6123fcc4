import { fleet, read, settle, write } from "./fleet.ts";
import { faultOfCopies } from "./record_checks.ts";
import type { World } from "./world.ts";

const VALUE = (i: number) => `value ${i}`;

/** Joins so many nodes to one, while a client writes so many keys; then all must be read anywhere. */
export function joinWhileWriting(nodes: number, keys: number, seed = 1): void {
  const world = fleet(1, { seed });
  for (let i = 1; i < nodes; i++) {
    const node = world.add({ seeds: [0] });
    world.at(world.now + 100 * i, () => world.start(node));
  }
  for (let i = 0; i < keys; i++) {
    mustWrite(world, i);
    world.pass(nodes * 100 / keys);
  }
  world.pass(nodes * 100);
  settle(world);
  for (let i = 0; i < keys; i++) mustRead(world, i);
}

/** Has all nodes but one leave, one after the other, while a client writes; the last has all. */
export function leaveWhileWriting(nodes: number, keys: number, seed = 1): void {
  const world = fleet(nodes, { seed });
  settle(world);
  const leaving = world.nodes.slice(1);
  let written = 0;
  for (const [i, node] of leaving.entries()) {
    while (written < keys * (i + 1) / leaving.length) mustWrite(world, written++);
    world.leave(node);
    if (world.passUntil(() => node.ring === null, 35_000) === null) {
      throw new Error(`Node ${node.index} does not leave`);
    }
  }
  world.pass(5000);
  settle(world);
  const fault = faultOfCopies(world);
  if (fault !== null) throw new Error(fault);
  for (let i = 0; i < keys; i++) mustRead(world, i);
}

function mustWrite(world: World, i: number): void {
  // The client goes on until its write is taken, as one does whose answer was `unavailable`.
  for (let attempt = 0; attempt < 5; attempt++) {
    const node = world.live[(i + attempt) % world.live.length]!;
    if (write(world, node, `kv/m${i}/x`, VALUE(i)).is === "written") return;
  }
  throw new Error(`Key ${i} cannot be written`);
}

function mustRead(world: World, i: number): void {
  const value = read(world, world.live[i * 7 % world.live.length]!, `kv/m${i}/x`);
  if (value !== VALUE(i)) throw new Error(`Key ${i} is ${value}`);
}
