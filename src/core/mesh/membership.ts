import { CIRCLE, distance, isBetween } from "./circle.ts";
import type { Descriptor } from "./descriptor.ts";
import type { StabAnswer, StabRequest } from "./frame.ts";
import { Lookup } from "./lookup.ts";
import { hashOfPeers, type Peer } from "./peer.ts";
import { LIST_LENGTH, type RingContext } from "./ring_context.ts";
import type { Timer } from "./timers.ts";

const STABILIZE_MS = 1000;
const PROBE_MS = 10_000;
/** Time after a change of the first successor until it is asked again. */
const SOON_MS = 100;
/** A predecessor that was silent for so long is asked, for one who wants its place. */
const DOUBT_MS = 1500;
/** A silent predecessor whose place nobody wants is asked after this. */
const FLUSH_MS = 2500;
/** A node that was in the list during this time is no news. */
const NEWS_MS = 30_000;
const HINT_MS = 5000;
const FINGER_MS = 30_000;
const FINGER_OLD_MS = 600_000;
/** How many of the nodes last heard are probed in turn. */
const LAST_HEARD = 32;
const GOSSIP = 3;
/** A neighbour is told of everybody again after this. */
const GOSSIP_AGAIN_MS = 3600_000;
const GOSSIP_TRIES = 24;
/** A prime, so that the nodes told of lie all around the ring. */
const GOSSIP_STRIDE = 389;

/** Rules M1 to M8 of the ring: who the neighbours are (docs/wire/mesh.md, "Membership"). */
export class Membership {
  readonly #ring: RingContext;
  readonly #onChange: () => void;
  /** The list that the head of the own list told last, and its hash. */
  #heads: { of: Peer; list: readonly Peer[]; hash: bigint } | null = null;
  readonly #wasInList = new Map<Peer, number>();
  #isStabilizing = false;
  #soon: Timer | null = null;
  #ticks = 0;
  #pingTurn = 0;
  #probeTurn = 0;
  #finger = 127;
  #hintedAt = -Infinity;

  /** `onChange`: called after the list or the predecessor changed. */
  constructor(ring: RingContext, onChange: () => void) {
    this.#ring = ring;
    this.#onChange = onChange;
  }

  /** Begins to be a member (M1). */
  start(): void {
    const { ring } = this;
    for (const peer of ring.peers.all()) if (peer.isKept) this.probe(peer);
    this.#tick();
    ring.timers.at(ring.now + this.#jitter(PROBE_MS), () => this.#probeNext());
    ring.timers.at(ring.now + this.#jitter(FINGER_MS), () => this.#lookUpFinger());
  }

  private get ring(): RingContext {
    return this.#ring;
  }

  /** Looks for the own ring, or another one, starting at a node (M2). */
  probe(start: Peer, onEnd: () => void = () => {}): void {
    const { ring } = this;
    if (start === ring.self) return onEnd();
    start.probedAt = ring.now;
    new Lookup(
      ring,
      (ring.self.position + 1n) % CIRCLE,
      { start: [start], isProbe: true },
      (found) => {
        onEnd();
        if (found !== null && this.#isActive) this.#consider(found.nodes);
      },
    );
  }

  /** The node itself has another position: it looks for its neighbours there. */
  moved(): void {
    const { ring } = this;
    const [member] = ring.list;
    ring.pred = null;
    ring.preds = [];
    this.#setList([]);
    this.#onChange();
    if (member !== undefined) this.probe(member);
  }

  /** A peer was called dead, or has left. */
  drop(peer: Peer): void {
    const { ring } = this;
    const wasBefore = ring.pred === peer || ring.preds.includes(peer);
    if (wasBefore) {
      ring.preds = ring.preds.filter((other) => other !== peer);
      if (ring.pred === peer) ring.pred = null;
      this.#onChange();
    }
    if (ring.list.includes(peer)) this.#setList(ring.list.filter((other) => other !== peer));
  }

  /** A node tells that it stands before this one (M4). Returns the answer. */
  onStab(frame: StabRequest, from: Peer | undefined): StabAnswer {
    const { ring } = this;
    const candidate = ring.learn(frame.descriptor);
    ring.learnAll(frame.gossip);
    if (candidate !== null) this.#heardGossip(candidate, frame.gossip);
    let wantsPreds = false;
    if (candidate !== null && candidate !== ring.self) {
      // A frame that was relayed, or a lie, is no sign of life.
      if (candidate === from || from === undefined) ring.hear(candidate);
      if (frame.preds !== null) {
        candidate.preds = ring.learnAll(frame.preds);
        candidate.predsHash = frame.predsHash;
      }
      if (!candidate.hasLeft) this.#rectify(candidate);
      wantsPreds = candidate === ring.pred && candidate.predsHash !== frame.predsHash;
    }
    const isSame = hashOfPeers(ring.list) === frame.listHash;
    const { pred } = ring;
    const between = pred === candidate || candidate === null
      ? []
      : ring.preds.filter((peer) =>
        isBetween(candidate.position, peer.position, ring.self.position)
      );
    return {
      to: "stab",
      pred: pred?.descriptor ?? null,
      list: isSame ? null : descriptorsOf(ring.list),
      preds: descriptorsOf(between),
      wantsPreds,
      gossip: candidate === null ? [] : this.#gossip(candidate),
    };
  }

  /** Another node tells of one that may be of another ring (M7). */
  onHint(node: Descriptor): void {
    const { ring } = this;
    const peer = ring.learn(node);
    if (peer === null || peer === ring.self || ring.now < this.#hintedAt + HINT_MS) return;
    this.#hintedAt = ring.now;
    this.probe(peer);
    this.#sendHint(peer);
  }

  /** Tells the neighbours that the node has left (M8). */
  leave(): void {
    const { ring } = this;
    const { incarnation } = ring.self.descriptor;
    for (const peer of new Set([ring.pred, ...ring.list])) {
      if (peer !== null) ring.send(peer, { type: "left", request: 0, incarnation });
    }
  }

  get #isActive(): boolean {
    return this.ring.state !== "leaving";
  }

  #jitter(ms: number): number {
    return ms * (0.8 + 0.4 * this.ring.random());
  }

  #tick(): void {
    const { ring } = this;
    ring.timers.at(ring.now + this.#jitter(STABILIZE_MS), () => this.#tick());
    if (!this.#isActive) return;
    this.#ticks++;
    const { now } = ring;
    // Without a predecessor the next one is hearsay, and may have left long ago.
    const before = ring.pred ?? ring.preds[0];
    if (before !== undefined && before.heardAt < now - FLUSH_MS) {
      this.ping(before, () => {
        if (before.isDead(ring.now)) this.drop(before);
      });
    }
    this.#stabilize();
    if (ring.list.length === 0) this.#probeNearest();
    else if (this.#ticks % 2 === 0) this.#pingOne();
  }

  ping(peer: Peer, onFail: () => void = () => {}): void {
    const load = Math.round(this.ring.calls.load * 100);
    this.ring.calls.call<"ping">(peer, { type: "ping", target: peer.key, load }, {
      onAnswer() {},
      onFail,
    });
  }

  /** Asks one further successor in turn whether it is there. */
  #pingOne(): void {
    const { list } = this.ring;
    if (list.length < 2) return;
    this.#pingTurn = this.#pingTurn % (list.length - 1) + 1;
    this.ping(list[this.#pingTurn]!);
  }

  #stabilize(): void {
    const [head] = this.ring.list;
    if (head === undefined || this.#isStabilizing) return;
    this.#isStabilizing = true;
    const end = () => this.#isStabilizing = false;
    this.#stab(head, {
      onAnswer: (answer, entries) => {
        end();
        this.#afterStab(head, answer, entries);
      },
      onFail: () => {
        end();
        if (this.ring.list[0] !== head) this.#stabilize();
      },
    });
  }

  #afterStab(head: Peer, answer: StabAnswer, entries: readonly Peer[]): void {
    const { ring } = this;
    if (ring.list[0] !== head) return this.#stabilizeSoon();
    const pred = answer.pred === null ? null : ring.learn(answer.pred);
    const isNearer = (peer: Peer | null): peer is Peer =>
      peer !== null && !peer.isDead(ring.now) &&
      isBetween(ring.self.position, peer.position, head.position);
    const nearer = [pred, ...ring.learnAll(answer.preds)].filter(isNearer);
    if (nearer.length === 0) return this.#setList([head, ...entries]);
    nearer.sort((a, b) =>
      distance(ring.self.position, a.position) < distance(ring.self.position, b.position) ? -1 : 1
    );
    this.#approach(nearer, [head, ...entries]);
  }

  /** Takes the nearest of some nodes that answers as the first successor. */
  #approach(nearer: readonly Peer[], rest: readonly Peer[]): void {
    const [first, ...others] = nearer;
    if (first === undefined) return this.#setList(rest);
    this.#stab(first, {
      onAnswer: (_, entries) => this.#setList(this.#sorted([first, ...entries, ...rest])),
      onFail: () => this.#approach(others.slice(-1), rest),
    });
  }

  #stab(
    peer: Peer,
    events: {
      onAnswer(answer: StabAnswer, entries: readonly Peer[]): void;
      onFail(): void;
    },
  ): void {
    const { ring } = this;
    const predsHash = hashOfPeers(ring.preds);
    const heads = this.#heads?.of === peer ? this.#heads : null;
    ring.calls.call<"stab">(peer, {
      type: "stab",
      descriptor: ring.self.descriptor,
      preds: peer.toldPreds === predsHash ? null : descriptorsOf(ring.preds),
      predsHash,
      listHash: heads?.hash ?? 0n,
      gossip: this.#gossip(peer),
    }, {
      onAnswer: (answer) => {
        if (!this.#isActive) return events.onFail();
        peer.toldPreds = answer.wantsPreds ? 0n : predsHash;
        ring.learnAll(answer.gossip);
        this.#heardGossip(peer, answer.gossip);
        const list = answer.list === null ? heads?.list ?? [] : ring.learnAll(answer.list);
        this.#heads = { of: peer, list, hash: hashOfPeers(list) };
        events.onAnswer(answer, list);
      },
      onFail: () => events.onFail(),
    });
  }

  /** Members that a probe found: where one is nearer than the first successor, it becomes that. */
  #consider(nodes: readonly Peer[]): void {
    const { ring } = this;
    const [head] = ring.list;
    const isNews = (peer: Peer) =>
      peer !== ring.self && !peer.isDead(ring.now) &&
      (head === undefined || isBetween(ring.self.position, peer.position, head.position));
    const [nearest] = this.#sorted(nodes.filter(isNews));
    if (nearest === undefined) return;
    this.#stab(nearest, {
      onAnswer: (_, entries) => {
        const isNew = (this.#wasInList.get(nearest) ?? -Infinity) < ring.now - NEWS_MS;
        const hadList = ring.list.length > 0;
        this.#setList(this.#sorted([nearest, ...entries, ...ring.list]));
        if (!isNew || !hadList) return;
        ring.tell({ name: "merge", node: nearest.key });
        this.#sendHint(nearest);
      },
      onFail: () => {},
    });
  }

  #sendHint(node: Peer): void {
    const { ring } = this;
    const to = new Set([...ring.list.slice(0, 2), ring.pred, ...ring.fingers.values()]);
    for (const peer of to) {
      if (peer === null || peer === node || peer.isDead(ring.now)) continue;
      ring.send(peer, { type: "hint", request: 0, node: node.descriptor });
    }
  }

  /** Takes a nearer predecessor, or one in the place of a silent one. */
  #rectify(candidate: Peer): void {
    const { ring } = this;
    const { pred, self, list } = ring;
    if (list.length === 0) this.#setList([candidate]);
    if (pred === null || isBetween(pred.position, candidate.position, self.position)) {
      return this.#setPred(candidate);
    }
    if (candidate === pred) return this.#setPreds(candidate);
    if (pred.heardAt >= ring.now - DOUBT_MS) return;
    this.ping(pred, () => {
      if (ring.pred === null && !candidate.isDead(ring.now)) this.#setPred(candidate);
    });
  }

  #setPred(pred: Peer): void {
    this.ring.pred = pred;
    this.#setPreds(pred);
    this.#onChange();
  }

  #setPreds(pred: Peer): void {
    const { ring } = this;
    const further = pred.preds.length > 0 ? pred.preds : ring.preds;
    const found = [pred];
    let far = distance(pred.position, ring.self.position);
    for (const peer of further) {
      const next = distance(peer.position, ring.self.position);
      if (peer === ring.self || found.length === LIST_LENGTH) break;
      if (peer.isDead(ring.now) || next <= far) continue;
      found.push(peer);
      far = next;
    }
    const isSame = found.length === ring.preds.length &&
      found.every((peer, i) => peer === ring.preds[i]);
    if (isSame) return;
    ring.preds = found;
    this.#onChange();
  }

  #sorted(peers: readonly Peer[]): Peer[] {
    const { self } = this.ring;
    const others = peers.filter((peer) => peer !== self);
    const far = new Map(others.map((peer) => [peer, distance(self.position, peer.position)]));
    return [...far.keys()].sort((a, b) => far.get(a)! < far.get(b)! ? -1 : 1);
  }

  /** Takes a list that is in order: cut at the node itself, without dead ones and repetitions. */
  #setList(peers: readonly Peer[]): void {
    const { ring } = this;
    const found: Peer[] = [];
    let far = 0n;
    for (const peer of peers) {
      if (peer === ring.self || found.length === LIST_LENGTH) break;
      if (peer.isDead(ring.now) || found.includes(peer)) continue;
      const next = distance(ring.self.position, peer.position);
      if (next <= far) break;
      found.push(peer);
      far = next;
    }
    const before = ring.list;
    if (found.length === before.length && found.every((peer, i) => peer === before[i])) return;
    for (const peer of before) this.#wasInList.set(peer, ring.now);
    if (this.#wasInList.size > 8 * LIST_LENGTH) this.#forgetLists();
    ring.list = found;
    if (found[0] !== before[0]) this.#stabilizeSoon();
    this.#onChange();
  }

  #forgetLists(): void {
    for (const [peer, at] of this.#wasInList) {
      if (at < this.ring.now - NEWS_MS) this.#wasInList.delete(peer);
    }
  }

  #stabilizeSoon(): void {
    const { ring } = this;
    if (this.#soon !== null) return;
    this.#soon = ring.timers.at(ring.now + SOON_MS, () => {
      this.#soon = null;
      if (this.#isActive) this.#stabilize();
    });
  }

  /** While nobody is known to be there: probes the peers in turn, the nearest of them often. */
  #probeNearest(): void {
    const { ring } = this;
    const near = ring.peers.atOrAfter(ring.self.position, ring.now);
    if (near !== null && this.#ticks % 2 === 1) this.probe(near);
    else this.#probeOldest(ring.peers.all());
  }

  #probeNext(): void {
    const { ring } = this;
    ring.timers.at(ring.now + this.#jitter(PROBE_MS), () => this.#probeNext());
    if (!this.#isActive) return;
    const others = ring.peers.all().filter((peer) =>
      !ring.list.includes(peer) && peer !== ring.pred
    );
    if (this.#probeTurn++ % 2 === 0) this.#probeOldest(others);
    else {
      const heard = others.filter((peer) => peer.heardAt > -Infinity);
      heard.sort((a, b) => b.heardAt - a.heardAt);
      this.#probeOldest(heard.slice(0, LAST_HEARD));
    }
  }

  /** Probes the one that was probed least recently. */
  #probeOldest(peers: readonly Peer[]): void {
    let oldest: Peer | null = null;
    for (const peer of peers) {
      if (peer.hasLeft) continue;
      if (oldest === null || peer.probedAt < oldest.probedAt) oldest = peer;
    }
    if (oldest !== null) this.probe(oldest);
  }

  /** Looks up one finger where nobody was heard of for long. */
  #lookUpFinger(): void {
    const { ring } = this;
    ring.timers.at(ring.now + this.#jitter(FINGER_MS), () => this.#lookUpFinger());
    const last = ring.list.at(-1);
    if (!this.#isActive || last === undefined || ring.list.length < LIST_LENGTH) return;
    const span = distance(ring.self.position, last.position);
    for (let i = 0; i < 128; i++) {
      const finger = this.#finger;
      this.#finger = finger === 0 ? 127 : finger - 1;
      if (1n << BigInt(finger) <= span) {
        this.#finger = 127;
        continue;
      }
      const from = (ring.self.position + (1n << BigInt(finger))) % CIRCLE;
      const to = (ring.self.position + (2n << BigInt(finger))) % CIRCLE;
      if (ring.peers.hasHeardBetween(from, to, ring.now - FINGER_OLD_MS)) {
        ring.fingers.delete(finger);
        continue;
      }
      new Lookup(ring, from, {}, (found) => {
        const [owner] = found?.nodes ?? [];
        if (owner !== undefined && owner !== ring.self) ring.fingers.set(finger, owner);
      });
      return;
    }
  }

  /** Descriptors of some peers that are not known to be dead, which `to` has not been told of. */
  #gossip(to: Peer): Descriptor[] {
    const { ring } = this;
    const all = ring.peers.all();
    if (to.toldSince < ring.now - GOSSIP_AGAIN_MS) {
      to.told.clear();
      to.toldSince = ring.now;
    }
    const found: Descriptor[] = [];
    if (to.told.size >= all.length) return found;
    const first = Math.floor(ring.random() * all.length);
    for (let i = 0; i < GOSSIP_TRIES && i < all.length && found.length < GOSSIP; i++) {
      const peer = all[(first + i * GOSSIP_STRIDE) % all.length]!;
      const isUseful = peer !== to && !peer.isSuspect && !peer.hasLeft &&
        peer.descriptor.notAfter > ring.wall && !to.told.has(peer.descriptor);
      if (!isUseful || found.includes(peer.descriptor)) continue;
      found.push(peer.descriptor);
      to.told.add(peer.descriptor);
    }
    return found;
  }

  #heardGossip(from: Peer, descriptors: readonly Descriptor[]): void {
    for (const descriptor of descriptors) from.told.add(descriptor);
  }
}

function descriptorsOf(peers: readonly Peer[]): Descriptor[] {
  return peers.map(({ descriptor }) => descriptor);
}
