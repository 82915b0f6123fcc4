import { utf8 } from "../../src/base/bytes.ts";
import type { RecordClass } from "../../src/core/mesh/record.ts";
import type { Result } from "../../src/core/mesh/steps.ts";
import { checkRemoval, faultOfCopies } from "./record_checks.ts";
import { checkNeighbours, faultOfRing } from "./ring_checks.ts";
import { quietMs } from "./run.ts";
import { type SimulatedNode, World } from "./world.ts";

/** Makes a world of nodes, on as many hosts each as is said, which all start at once. */
export function fleet(
  nodes: number,
  { seed = 1, perHost = 1, isChecked = true } = {},
): World {
  const world = new World(isChecked ? { seed, check: checkNeighbours, checkRemoval } : { seed });
  const seeds = [0, 1, 2].slice(0, nodes);
  for (let i = 0; i < nodes; i++) {
    const others = seeds.filter((seed) => seed !== i);
    world.add({ host: `h${Math.floor(i / perHost)}`, seeds: others });
  }
  for (const node of world.nodes) world.start(node);
  return world;
}

/** Lets time pass until ring and copies are right; throws where they are not in the time for it. */
export function settle(world: World, most = quietMs(world.nodes.length)): number {
  const wrong = () => faultOfRing(world) ?? faultOfCopies(world);
  const ms = world.passUntil(() => wrong() === null, most, 500);
  if (ms === null) throw new Error(`Not right after ${most} ms: ${wrong()}`);
  return ms;
}

/** Has a node write a record; returns the answer after it has come. */
export function write(
  world: World,
  node: SimulatedNode,
  key: string,
  value: string,
  { kind = "durable" as RecordClass, ttlMs = 0, epoch = 0n } = {},
): Result {
  const o = { key, value: utf8(value), class: kind, epoch, ...(ttlMs > 0 ? { ttlMs } : {}) };
  return answerOf(world, node, (ring, id, now) => ring.put(id, o, now));
}

export function remove(
  world: World,
  node: SimulatedNode,
  key: string,
  { kind = "durable" as RecordClass, ttlMs = 90_000 } = {},
): Result {
  const o = { key, class: kind, ...(kind === "soft" ? { ttlMs } : {}) };
  return answerOf(world, node, (ring, id, now) => ring.delete(id, o, now));
}

/** Has a node read a record: its value, null for none, or the reason of a failure. */
export function read(
  world: World,
  node: SimulatedNode,
  key: string,
  isSoft = false,
): string | null {
  const result = answerOf(world, node, (ring, id, now) => ring.get(id, { key, isSoft }, now));
  if (result.is === "record") {
    return result.record === null ? null : new TextDecoder().decode(result.record.value);
  }
  return result.is === "failed" ? `failed: ${result.reason}` : result.is;
}

/** Children of a bucket, by pages. */
export function list(world: World, node: SimulatedNode, bucket: string, limit = 100): string[] {
  const found: string[] = [];
  for (let after: string | null = null;;) {
    const o = { bucket, prefix: "", after, limit, isSoft: false };
    const result = answerOf(world, node, (ring, id, now) => ring.list(id, o, now));
    if (result.is !== "list") throw new Error(`No list of ${bucket}: ${JSON.stringify(result)}`);
    found.push(...result.records.map(({ child }) => child));
    if (!result.hasMore) return found;
    after = result.last;
  }
}

function answerOf(
  world: World,
  node: SimulatedNode,
  run: Parameters<World["ask"]>[1],
): Result {
  let answer: Result | null = null;
  world.ask(node, run, (result) => answer = result);
  world.passUntil(() => answer !== null, 10_000, 10);
  if (answer === null) throw new Error(`Node ${node.index} never answers its process`);
  return answer;
}
