import { distance } from "../../src/core/mesh/circle.ts";
import { joinKey, type MeshRecord } from "../../src/core/mesh/record.ts";
import { COPIES } from "../../src/core/mesh/replicas.ts";
import type { RingBatch } from "../../src/core/mesh/ring_disk.ts";
import { compareVersions, versionText } from "../../src/core/mesh/version.ts";
import { SIMULATED_HASHES } from "./hashes.ts";
import { inOrder } from "./ring_checks.ts";
import type { SimulatedNode, World } from "./world.ts";

/** Returns the nodes that have to hold a bucket: the first ones on distinct hosts. */
export function replicasOf(nodes: readonly SimulatedNode[], bucket: string): SimulatedNode[] {
  const position = SIMULATED_HASHES.position(bucket);
  const far = (node: SimulatedNode) => distance(position, node.descriptor.position);
  let first = 0;
  for (let i = 1; i < nodes.length; i++) if (far(nodes[i]!) < far(nodes[first]!)) first = i;
  const found: SimulatedNode[] = [];
  for (let i = 0; i < nodes.length && found.length < COPIES; i++) {
    const node = nodes[(first + i) % nodes.length]!;
    if (!found.some(({ host }) => host === node.host)) found.push(node);
  }
  return found;
}

/** Returns what is wrong with the copies of records, or null: each on exactly its replicas, the same. */
export function faultOfCopies(world: World): string | null {
  const nodes = inOrder(world);
  const held = new Map<string, { bucket: string; copies: Map<SimulatedNode, MeshRecord> }>();
  for (const node of nodes) {
    for (const record of node.ring!.heldRecords()) {
      const key = joinKey(record);
      const known = held.get(key) ?? { bucket: record.bucket, copies: new Map() };
      known.copies.set(node, record);
      held.set(key, known);
    }
  }
  const replicas = new Map<string, SimulatedNode[]>();
  for (const [key, { bucket, copies }] of held) {
    let owners = replicas.get(bucket);
    if (owners === undefined) replicas.set(bucket, owners = replicasOf(nodes, bucket));
    const where = (some: Iterable<SimulatedNode>) => [...some].map(({ index }) => index).sort();
    if (where(copies.keys()).join() !== where(owners).join()) {
      return `${key} is at ${where(copies.keys())}, not at ${where(owners)}`;
    }
    const versions = new Set([...copies.values()].map(({ version }) => versionText(version)));
    if (versions.size > 1) return `${key} has versions ${[...versions].join(", ")}`;
  }
  return null;
}

/** Throws where a node deletes a record that is not its own before all replicas have it. */
export function checkRemoval(world: World, node: SimulatedNode, { remove }: RingBatch): void {
  const fleet = new Set(world.nodes.map(({ host }) => host)).size;
  for (const name of remove) {
    const held = node.disk.get(joinKey(name));
    if (held === undefined || (held.isTombstone && held.expiry < world.clockOf(node))) continue;
    const others = world.nodes.filter((other) => {
      if (other === node) return false;
      const record = other.ring?.held(name.bucket, name.child) ?? other.disk.get(joinKey(name));
      return record !== undefined && compareVersions(record.version, held.version) >= 0;
    });
    const hosts = new Set(others.map(({ host }) => host)).size;
    const wanted = Math.min(COPIES, fleet);
    if (hosts < wanted) {
      throw new Error(`Node ${node.index} deletes ${joinKey(name)}, which ${hosts} others have`);
    }
  }
}

/** Throws where the version of a record falls on a replica that has not crashed meanwhile. */
export class VersionWatch {
  readonly #seen = new Map<SimulatedNode, { run: number; versions: Map<string, MeshRecord> }>();

  /** A node gives records up, so that an older version may come to it later. */
  removed(node: SimulatedNode, { remove }: RingBatch): void {
    for (const name of remove) this.#seen.get(node)?.versions.delete(joinKey(name));
  }

  check(world: World, node: SimulatedNode): void {
    if (node.ring === null) return;
    let seen = this.#seen.get(node);
    if (seen === undefined || seen.run !== node.run) {
      seen = { run: node.run, versions: new Map() };
      this.#seen.set(node, seen);
    }
    for (const record of node.ring.heldRecords()) {
      const key = joinKey(record);
      const before = seen.versions.get(key);
      if (before === record) continue;
      const isOlder = before !== undefined && compareVersions(record.version, before.version) < 0;
      // A node that had given the newer one up to its replicas may get an older one by a late frame.
      if (isOlder && replicasOf(inOrder(world), record.bucket).includes(node)) {
        throw new Error(`${key} fell to an older version on node ${node.index} at ${world.now}`);
      }
      seen.versions.set(key, record);
    }
  }
}
