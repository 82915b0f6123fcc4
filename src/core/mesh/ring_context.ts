import { Calls } from "./calls.ts";
import { distance } from "./circle.ts";
import type { Descriptor, Verify } from "./descriptor.ts";
import type { Frame, NodeState } from "./frame.ts";
import { Histogram } from "./histogram.ts";
import { MAX_OFF_MS } from "./hybrid_clock.ts";
import type { Peer } from "./peer.ts";
import { Peers } from "./peers.ts";
import { type AgreedClock, agreeOnClock } from "./agreed_clock.ts";
import type { RingEvent, Step } from "./steps.ts";
import { Timers } from "./timers.ts";

/** Returns a number from 0 up to, and without, 1. */
export type Random = () => number;

/** Stamps of peers that are older than this tell nothing of the clock. */
const STAMP_MS = 60_000;

/** The clocks of the others are looked at so often. */
const AGREE_MS = 1000;

/** Bounds of the histogram of hops: a lookup asks 2 log2(N) + 8 nodes at most. */
const HOPS = [0, 1, 2, 3, 4, 6, 8, 12, 16];

/** Longest list of successors, and of predecessors. */
export const LIST_LENGTH = 16;

/** Parts of one ring node share this: its time, timers, peers and calls, and where its steps go. */
export class RingContext {
  /** Milliseconds of a time that never goes back, for timers; at the start it is the Unix time. */
  now = 0;
  /** By how much the clock was set back meanwhile: at most 0. */
  clockSet = 0;
  state: NodeState = "warming";
  steps: Step[] = [];
  /** Work that nobody waits for as much as for the steps so far: it is done behind these. */
  behind: (() => void)[] = [];
  readonly timers = new Timers();
  readonly peers: Peers;
  readonly random: Random;
  readonly calls: Calls;
  /** Successors, nearest first, without the node itself. */
  list: readonly Peer[] = [];
  pred: Peer | null = null;
  /** Predecessors, nearest first; the first is `pred` where there is one. */
  preds: readonly Peer[] = [];
  /** True if the node has been told of others to begin with, so that it is not the first one. */
  readonly hasSeeds: boolean;
  /** Nodes that were looked up because nobody was known there. */
  readonly fingers = new Map<number, Peer>();

  #clock: AgreedClock = { offset: 0, lag: 0 };
  #agreedAt = -Infinity;
  #isOff = false;

  constructor(
    o: {
      self: Descriptor;
      verify: Verify;
      random: Random;
      nowMs: number;
      seeds: readonly string[];
    },
  ) {
    this.hasSeeds = o.seeds.length > 0;
    this.peers = new Peers(o.self, o.verify);
    this.random = o.random;
    this.calls = new Calls({
      timers: this.timers,
      relayFor: (peer) => this.#relayFor(peer),
      onSilent: (peer) => this.blame(peer),
      onLeft: (peer) => this.leave(peer, peer.descriptor.incarnation),
      send: (to, frame, isPatient) => this.send(to, frame, isPatient),
      context: this,
    }, o.nowMs);
  }

  /** Incidents since the start, for the metrics. */
  readonly counts = {
    relayed: 0,
    /** Nodes that were asked one after the other, for each lookup that found the owner. */
    hops: new Histogram(HOPS),
    differences: 0,
    disagreements: 0,
    flaps: 0,
  };

  /** Called when a peer was called dead. */
  onDead: (peer: Peer) => void = () => {};

  /** Unix milliseconds of the node's own clock, for stamps and expiries. */
  get wall(): number {
    return this.now + this.clockSet;
  }

  /**
   * Unix milliseconds by which records are judged and expire: the own clock, or where it is off those
   * of most hosts, theirs.
   */
  get time(): number {
    return this.wall + this.#agreed().offset;
  }

  /** `time` less the own clock, in milliseconds. */
  get correctionMs(): number {
    return this.#agreed().offset;
  }

  /** By how much clocks that are right may be behind `time`. */
  get lagMs(): number {
    return this.#agreed().lag;
  }

  #agreed(): AgreedClock {
    if (this.now < this.#agreedAt + AGREE_MS) return this.#clock;
    this.#agreedAt = this.now;
    const fresh = this.peers.all().filter(({ offsetAt }) => offsetAt > this.now - STAMP_MS);
    this.#clock = agreeOnClock(this.self.host, fresh);
    return this.#clock;
  }

  /** Tells where the own clock goes wrong, and where it is right again. */
  lookAtClock(): void {
    const offset = this.clockOffset();
    const isOff = Math.abs(offset) > MAX_OFF_MS;
    if (isOff === this.#isOff) return;
    this.#isOff = isOff;
    this.tell({ name: "clock", offsetMs: isOff ? Math.round(offset) : 0 });
  }

  setTime(nowMs: number): void {
    if (nowMs < this.wall) this.clockSet -= this.wall - nowMs;
    else this.now = nowMs - this.clockSet;
  }

  get self(): Peer {
    return this.peers.self;
  }

  send(to: Peer, frame: Frame, isPatient = false): void {
    const { key } = to;
    this.steps.push(
      isPatient ? { type: "send", to: key, frame, isPatient } : { type: "send", to: key, frame },
    );
  }

  tell(event: RingEvent): void {
    this.steps.push({ type: "event", event });
  }

  learn(descriptor: Descriptor): Peer | null {
    return this.peers.learn(descriptor, (peer) => this.isPinned(peer));
  }

  /** Returns peers of descriptors, without those that are not valid. */
  learnAll(descriptors: readonly Descriptor[]): Peer[] {
    const found: Peer[] = [];
    for (const descriptor of descriptors) {
      const peer = this.learn(descriptor);
      if (peer !== null) found.push(peer);
    }
    return found;
  }

  isPinned(peer: Peer): boolean {
    return peer === this.pred || this.list.includes(peer) || this.preds.includes(peer);
  }

  /** Something came from a peer. */
  hear(peer: Peer): void {
    if (!peer.hear(this.now)) return;
    if (peer.isFlapping(this.now)) this.counts.flaps++;
    this.tell({ name: "alive", node: peer.key });
  }

  /** A peer did not answer in time, or is not there. */
  blame(peer: Peer): void {
    if (peer.fail(this.now)) this.tell({ name: "dead", node: peer.key });
    this.onDead(peer);
  }

  /** A peer has left the ring for good, with this incarnation. */
  leave(peer: Peer, incarnation: number): void {
    if (incarnation < peer.descriptor.incarnation || peer.hasLeft) return;
    peer.leftIncarnation = incarnation;
    this.tell({ name: "left", node: peer.key });
    this.onDead(peer);
  }

  /** Estimates how many nodes the ring has. */
  estimateNodes(): number {
    const { list } = this;
    const last = list.at(-1);
    if (last === undefined) return 1;
    if (list.length < LIST_LENGTH) return list.length + 1;
    const share = Number(distance(this.self.position, last.position) >> 64n) / 2 ** 64;
    return Math.max(list.length + 1, Math.round(list.length / share));
  }

  /**
   * Returns the median of all clocks, the own one among them, less the own one, in milliseconds. With
   * an even number it is the one of the two in the middle that is further off: of two nodes that
   * disagree nobody knows which is right.
   */
  clockOffset(): number {
    const offsets = [0];
    for (const peer of this.peers.all()) {
      if (peer.offsetAt > this.now - STAMP_MS) offsets.push(peer.offset);
    }
    offsets.sort((a, b) => a - b);
    const [low, high] = [offsets[(offsets.length - 1) >> 1]!, offsets[offsets.length >> 1]!];
    return Math.abs(low) > Math.abs(high) ? low : high;
  }

  #relayFor(peer: Peer): Peer | null {
    const near = this.list.filter((next) => next !== peer && !next.isDead(this.now)).slice(0, 3);
    const relay = near[Math.floor(this.random() * near.length)] ?? null;
    if (relay !== null) this.counts.relayed++;
    return relay;
  }
}
