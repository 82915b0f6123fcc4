import { utf8 } from "../../src/base/bytes.ts";
import { type Descriptor, type NodeRole, signDescriptor } from "../../src/core/mesh/descriptor.ts";
import type { Frame } from "../../src/core/mesh/frame.ts";
import { type NodeKey, nodeKeyOf } from "../../src/core/mesh/node_id.ts";
import { RingNode } from "../../src/core/mesh/ring_node.ts";
import type { MeshRecord } from "../../src/core/mesh/record.ts";
import type { RingBatch } from "../../src/core/mesh/ring_disk.ts";
import type { Result, RingEvent, Step } from "../../src/core/mesh/steps.ts";
import { type Timer, Timers } from "../../src/core/mesh/timers.ts";
import { SimulatedDisk } from "./disk.ts";
import { SIMULATED_HASHES } from "./hashes.ts";
import { Network } from "./network.ts";
import { seededRandom } from "./random.ts";

/** Unix milliseconds at which every world begins. */
export const EPOCH_MS = 1_700_000_000_000;

/** One process of a simulated fleet, which may be down. */
export interface SimulatedNode {
  readonly index: number;
  readonly host: string;
  readonly key: NodeKey;
  readonly publicKey: Uint8Array;
  readonly disk: SimulatedDisk;
  readonly seeds: readonly number[];
  readonly roles: readonly NodeRole[];
  /** Null while the process does not run. */
  ring: RingNode | null;
  descriptor: Descriptor;
  /** Its clock is the world's times `rate` plus `offset`. */
  offset: number;
  rate: number;
  /** Milliseconds that everything takes it longer. */
  delay: number;
  /** Until when it stands still. */
  frozenUntil: number;
  /** Counts starts: frames and timers of earlier runs are void. */
  run: number;
  wake: Timer | null;
  sent: number;
  sentBytes: number;
  /** Runs of other nodes that it has a link with, as "index:run". */
  links: Set<string>;
  /** Requests of the process itself by number. */
  waiting: Map<number, (result: Result) => void>;
  /** Records of followed buckets, as they were told. */
  told: MeshRecord[];
  /** Events of the node since its start. */
  events: RingEvent[];
}

/** Takes what nodes ask the core, and what it answers; none of it is the ring's. */
export interface CoreTaker {
  asked(node: SimulatedNode, step: Step & { type: "core" }): void;
  answered(node: SimulatedNode, request: number, body: Uint8Array): void;
}

export interface WorldOptions {
  readonly seed: number;
  /** Called after every step of a node: throws where something must not be. */
  readonly check?: (world: World, node: SimulatedNode) => void;
  /** Called before records go from a node's disk. */
  readonly checkRemoval?: (world: World, node: SimulatedNode, batch: RingBatch) => void;
  /** True if new nodes choose among their 16 positions. */
  readonly choosesPlaces?: boolean;
  readonly sizeOf?: (frame: Frame) => number;
  /** Bytes of records from which on a node is full. */
  readonly maxBytes?: number;
}

/** A fleet of ring nodes on one virtual clock; the same seed always makes the same run. */
export class World {
  now = 0;
  readonly random: () => number;
  readonly network: Network;
  readonly nodes: SimulatedNode[] = [];
  readonly #byKey = new Map<NodeKey, SimulatedNode>();
  readonly #timers = new Timers();
  readonly #genuine = new WeakSet<Descriptor>();
  readonly #o: WorldOptions;
  #request = 0;
  steps = 0;
  /** Called for each frame that is sent, for those who look for a mistake. */
  tap: ((from: SimulatedNode, to: SimulatedNode, frame: Frame) => void) | null = null;
  /** Without one, a core answers what it was asked. */
  core: CoreTaker | null = null;
  /** True where a node has no link with another one, which finds itself refused there. */
  refuses: ((node: SimulatedNode, other: SimulatedNode) => boolean) | null = null;
  /** Changes frames on their way, or keeps them back. */
  bend: ((from: SimulatedNode, to: SimulatedNode, frame: Frame) => Frame | null) | null = null;

  constructor(o: WorldOptions) {
    this.#o = o;
    this.random = seededRandom(o.seed);
    this.network = new Network(o.seed, seededRandom(o.seed ^ 0x5555));
  }

  /** Makes a node that is down. Seeds are numbers of nodes. */
  add(
    o: { host?: string; seeds?: readonly number[]; roles?: readonly NodeRole[] } = {},
  ): SimulatedNode {
    const index = this.nodes.length;
    const publicKey = utf8(`${this.#o.seed}/${index}`.padEnd(32)).subarray(0, 32);
    const host = o.host ?? `h${index}`;
    const roles = o.roles ?? ["node"];
    const node: SimulatedNode = {
      index,
      host,
      key: nodeKeyOf(publicKey),
      publicKey,
      disk: new SimulatedDisk(),
      seeds: o.seeds ?? (index === 0 ? [] : [0]),
      ring: null,
      roles,
      descriptor: this.#sign({ publicKey, host, index, roles }, 0, 0),
      offset: 0,
      rate: 1,
      delay: 0,
      frozenUntil: 0,
      run: 0,
      wake: null,
      sent: 0,
      sentBytes: 0,
      links: new Set(),
      waiting: new Map(),
      told: [],
      events: [],
    };
    this.nodes.push(node);
    this.#byKey.set(node.key, node);
    return node;
  }

  get live(): SimulatedNode[] {
    return this.nodes.filter((node) => node.ring !== null);
  }

  nodeOf(key: NodeKey): SimulatedNode {
    return this.#byKey.get(key)!;
  }

  /** Starts a node's process from its disk. */
  start(node: SimulatedNode): void {
    if (node.ring !== null) return;
    const nowMs = this.clockOf(node);
    node.run++;
    node.links = new Set();
    node.events = [];
    node.told = [];
    const image = node.disk.load(nowMs, node.run > 1);
    node.descriptor = this.#sign(node, image.place ?? 0, nowMs);
    node.ring = new RingNode({
      self: node.descriptor,
      hashes: SIMULATED_HASHES,
      verify: (descriptor) => this.#genuine.has(descriptor),
      random: seededRandom(this.#o.seed * 7919 + node.index * 31 + node.run),
      image,
      ...(this.#o.choosesPlaces === true
        ? { descriptorAt: (place: number) => this.#moved(node, place) }
        : {}),
      ...(this.#o.maxBytes === undefined ? {} : { maxBytes: this.#o.maxBytes }),
      seeds: node.seeds.map(String),
      nowMs,
    });
    this.#act(node, node.ring.start(nowMs));
  }

  /** Ends a process without a word. Requests that it had are never answered. */
  crash(node: SimulatedNode): void {
    if (node.ring === null) return;
    node.ring = null;
    node.run++;
    node.frozenUntil = 0;
    node.waiting = new Map();
    this.#timers.cancel(node.wake);
    node.wake = null;
    node.disk.crash(this.random);
  }

  /** Has a node leave the ring; its process ends when it is done. */
  leave(node: SimulatedNode): void {
    this.act(node, (ring, nowMs) => ring.leave(nowMs));
  }

  /** Lets time pass. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (let due = this.#timers.due(); due <= end; due = this.#timers.due()) {
      this.now = due;
      this.#timers.run(due);
    }
    this.now = end;
  }

  /** Lets time pass until something holds; returns how long that took, or null. */
  passUntil(isSo: () => boolean, mostMs: number, stepMs = 100): number | null {
    const began = this.now;
    while (!isSo()) {
      if (this.now - began >= mostMs) return null;
      this.pass(stepMs);
    }
    return this.now - began;
  }

  at(time: number, run: () => void): void {
    this.#timers.at(Math.max(time, this.now), run);
  }

  clockOf(node: SimulatedNode): number {
    return EPOCH_MS + this.now * node.rate + node.offset;
  }

  /** Has the node's own process ask for something; `onEnd` gets the answer. */
  ask(
    node: SimulatedNode,
    run: (ring: RingNode, id: number, nowMs: number) => Step[],
    onEnd: (result: Result) => void,
  ): void {
    if (node.ring === null) return;
    const id = ++this.#request;
    node.waiting.set(id, onEnd);
    this.act(node, (ring, nowMs) => run(ring, id, nowMs));
  }

  act(node: SimulatedNode, run: (ring: RingNode, nowMs: number) => Step[]): void {
    if (node.ring !== null) this.#act(node, run(node.ring, this.clockOf(node)));
  }

  #moved(node: SimulatedNode, place: number): Descriptor {
    node.descriptor = this.#sign(node, place, node.descriptor.incarnation + 1);
    return node.descriptor;
  }

  #sign(
    { publicKey, host, index, roles }: Pick<
      SimulatedNode,
      "publicKey" | "host" | "index" | "roles"
    >,
    place: number,
    nowMs: number,
  ): Descriptor {
    const descriptor = signDescriptor({
      publicKey,
      place,
      addresses: [String(index)],
      host,
      zone: "z",
      roles,
      incarnation: nowMs,
      lowestVersion: 1,
      highestVersion: 1,
      notAfter: nowMs + 24 * 3600_000,
    }, () => new Uint8Array(64));
    this.#genuine.add(descriptor);
    return descriptor;
  }

  #act(node: SimulatedNode, steps: readonly Step[]): void {
    this.steps++;
    for (const step of steps) this.#step(node, step);
    this.#o.check?.(this, node);
    this.#arm(node);
  }

  #step(node: SimulatedNode, step: Step): void {
    switch (step.type) {
      case "send":
        return this.#send(node, this.#byKey.get(step.to), step.frame);
      case "dial":
        return this.#dial(node, this.nodes[Number(step.address)]!);
      case "store":
        return this.#store(node, step);
      case "reply": {
        const onEnd = node.waiting.get(step.id);
        node.waiting.delete(step.id);
        return onEnd?.(step.result);
      }
      case "event":
        node.events.push(step.event);
        if (step.event.name === "state" && step.event.state === "off") this.crash(node);
        return;
      case "record":
        node.told.push(step.record);
        return;
      case "core":
        if (this.core !== null) return this.core.asked(node, step);
        return this.act(
          node,
          (ring, now) => ring.answerCore(step.from, step.request, step.body, now),
        );
    }
  }

  #store(node: SimulatedNode, step: Step & { type: "store" }): void {
    if (step.batch.remove.length > 0) this.#o.checkRemoval?.(this, node, step.batch);
    node.disk.begin(step.batch);
    const { run } = node;
    this.#timers.at(this.now + node.disk.latency, () => {
      if (node.run !== run) return;
      const isGood = node.disk.finish();
      this.act(node, (ring, nowMs) => ring.stored(step.token, nowMs, isGood));
    });
  }

  /** Asks the core at another node, as a node's process does. */
  askCore(from: SimulatedNode, to: SimulatedNode, request: number, body: Uint8Array): void {
    if (from.ring !== null) this.#send(from, to, { type: "core", request, body });
  }

  /** True if the two have no link, as one refuses the other; who sends is told. */
  #isRefused(from: SimulatedNode, to: SimulatedNode): boolean {
    if (this.refuses === null) return false;
    if (!this.refuses(from, to) && !this.refuses(to, from)) return false;
    const [delay] = this.network.delays(from.index, to.index);
    if (delay === undefined) return true;
    const { run } = from;
    this.#timers.at(this.now + 2 * delay, () => {
      if (from.run === run) this.act(from, (ring, nowMs) => ring.refused(to.key, nowMs));
    });
    return true;
  }

  #send(from: SimulatedNode, to: SimulatedNode | undefined, sent: Frame): void {
    // A node that was made up has no address.
    const frame = to === undefined || this.bend === null ? sent : this.bend(from, to, sent);
    if (frame === null || to === undefined) return;
    if (this.#isRefused(from, to)) return;
    this.tap?.(from, to, frame);
    from.sent++;
    from.sentBytes += this.#o.sizeOf?.(frame) ?? 0;
    const link = `${to.index}:${to.run}`;
    const isNew = !from.links.has(link);
    from.links.add(link);
    for (const delay of this.network.delays(from.index, to.index)) {
      // A new link costs two more trips.
      this.#arrive(from, to, delay * (isNew ? 3 : 1) + from.delay, () => {
        if (this.refuses?.(to, from) === true) return;
        if (isNew) this.#meet(to, from);
        if (frame.type === "answer" && frame.body.to === "core") {
          this.core?.answered(to, frame.request, frame.body.body);
        }
        this.act(to, (ring, nowMs) => ring.feed(from.key, frame, nowMs));
      });
    }
  }

  #dial(from: SimulatedNode, to: SimulatedNode): void {
    if (this.#isRefused(from, to)) return;
    for (const delay of this.network.delays(from.index, to.index)) {
      const back = this.network.delays(to.index, from.index)[0];
      if (back === undefined) continue;
      const { run } = to;
      this.#arrive(from, to, 2 * delay, () => {
        if (to.ring === null) return; // nobody listens there
        this.#meet(to, from);
        const { descriptor } = to;
        this.#arrive(to, from, back, () => {
          if (to.run === run) this.act(from, (ring, nowMs) => ring.met(descriptor, nowMs, true));
        });
      });
    }
  }

  #meet(node: SimulatedNode, other: SimulatedNode): void {
    node.links.add(`${other.index}:${other.run}`);
    const { descriptor } = other;
    this.act(node, (ring, nowMs) => ring.met(descriptor, nowMs));
  }

  /** Runs something at a node after a delay, later where it stands still, never in another run. */
  #arrive(from: SimulatedNode, to: SimulatedNode, delay: number, run: () => void): void {
    const [sender, receiver] = [from.run, to.run];
    this.#timers.at(this.now + delay + to.delay, () => {
      if (to.run !== receiver || from.run !== sender) return;
      if (to.frozenUntil > this.now) this.#timers.at(to.frozenUntil, run);
      else run();
    });
  }

  #arm(node: SimulatedNode): void {
    if (node.ring === null) return;
    const due = node.ring.due();
    const time = Math.max((due - EPOCH_MS - node.offset) / node.rate, this.now, node.frozenUntil);
    if (node.wake !== null && node.wake.run !== null && node.wake.time <= time) {
      if (node.wake.time >= this.now) return;
    }
    this.#timers.cancel(node.wake);
    node.wake = this.#timers.at(time, () => {
      if (node.frozenUntil <= this.now) this.act(node, (ring, nowMs) => ring.tick(nowMs));
      else this.#arm(node);
    });
  }
}
