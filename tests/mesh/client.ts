import { utf8 } from "../../src/base/bytes.ts";
import { splitKey } from "../../src/core/mesh/record.ts";
import { compareVersions, type RecordVersion, versionText } from "../../src/core/mesh/version.ts";
import { pick } from "./random.ts";
import { replicasOf } from "./record_checks.ts";
import { inOrder } from "./ring_checks.ts";
import type { SimulatedNode, World } from "./world.ts";

/** Writes and reads of durable records by any nodes, and what came of them. */
export class Client {
  /** Newest acknowledged version by key. */
  readonly acknowledged = new Map<string, RecordVersion>();
  readonly #versions = new Set<string>();
  readonly writeMs: number[] = [];
  readonly readMs: number[] = [];
  readonly failures = { writes: 0, reads: 0, stale: 0 };
  readonly reasons: Record<string, number> = {};
  /** Writes whose version is behind one that was acknowledged before they began. */
  inversions = 0;
  readonly #world: World;
  readonly #random: () => number;
  readonly #keys: number;
  #isOver = false;
  #count = 0;

  constructor(world: World, random: () => number, keys: number) {
    this.#world = world;
    this.#random = random;
    this.#keys = keys;
  }

  /** Begins to write and read, `perSecond` of each. */
  start(perSecond: number): void {
    this.#world.at(this.#world.now + 2000 * this.#random() / perSecond, () => {
      if (this.#isOver) return;
      this.start(perSecond);
      this.write(`kv/b${pick(this.#random, this.#keys)}/x`);
      this.read(`kv/b${pick(this.#random, this.#keys)}/x`);
    });
  }

  stop(): void {
    this.#isOver = true;
  }

  write(key: string, node = this.#anyNode()): void {
    if (node === null) return;
    const began = this.#world.now;
    const known = this.acknowledged.get(key);
    const value = utf8(`${node.index}/${this.#count++}`);
    const isDeletion = this.#random() < 0.1;
    const o = { key, value, class: "durable" as const };
    this.#world.ask(
      node,
      (ring, id, now) => isDeletion ? ring.delete(id, o, now) : ring.put(id, o, now),
      (result) => {
        if (result.is !== "written") {
          this.failures.writes++;
          const reason = result.is === "failed" ? `${result.reason}: ${result.words}` : result.is;
          this.reasons[reason] = (this.reasons[reason] ?? 0) + 1;
          return;
        }
        this.writeMs.push(this.#world.now - began);
        const text = versionText(result.version);
        if (this.#versions.has(text)) throw new Error(`Version ${text} was given twice`);
        this.#versions.add(text);
        if (known !== undefined && compareVersions(result.version, known) < 0) this.inversions++;
        const before = this.acknowledged.get(key);
        if (before === undefined || compareVersions(result.version, before) > 0) {
          this.acknowledged.set(key, result.version);
        }
      },
    );
  }

  read(key: string, node = this.#anyNode()): void {
    if (node === null) return;
    const began = this.#world.now;
    const known = this.acknowledged.get(key);
    this.#world.ask(
      node,
      (ring, id, now) => ring.get(id, { key, isSoft: false }, now),
      (result) => {
        if (result.is !== "record") {
          this.failures.reads++;
          return;
        }
        this.readMs.push(this.#world.now - began);
        if (known === undefined || result.record === null) return;
        if (compareVersions(result.record.version, known) < 0) this.failures.stale++;
      },
    );
  }

  /** Returns an acknowledged write that not all of its replicas have, or null. */
  lost(): string | null {
    const nodes = inOrder(this.#world);
    for (const [key, version] of this.acknowledged) {
      const { bucket, child } = splitKey(key)!;
      for (const node of replicasOf(nodes, bucket)) {
        const record = node.ring!.held(bucket, child);
        if (record === undefined || compareVersions(record.version, version) < 0) {
          const has = record === undefined ? "nothing" : versionText(record.version);
          return `Node ${node.index} has ${has} of ${key}, not ${versionText(version)}`;
        }
      }
    }
    return null;
  }

  #anyNode(): SimulatedNode | null {
    const { nodes } = this.#world;
    const node = nodes[pick(this.#random, nodes.length)]!;
    return node.ring === null || node.frozenUntil > this.#world.now ? null : node;
  }
}
