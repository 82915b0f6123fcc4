import { Attic, LONG_AWAY_MS } from "./attic.ts";
import type { Descriptor, Verify } from "./descriptor.ts";
import type { AnswerBody, FailureCode, Frame, Notice, Request } from "./frame.ts";
import type { RingHashes } from "./hashes.ts";
import {
  type DeleteOptions,
  type GetOptions,
  type ListOptions,
  LocalRequests,
  type PutOptions,
} from "./local_requests.ts";
import { KeptRange } from "./kept_range.ts";
import { Membership } from "./membership.ts";
import { type NodeKey, PLACES } from "./node_id.ts";
import type { Peer } from "./peer.ts";
import { choosePlace } from "./place_choice.ts";
import { Pusher } from "./pusher.ts";
import type { MeshRecord } from "./record.ts";
import { Records } from "./records.ts";
import { Repair } from "./repair.ts";
import { RequestServer } from "./request_server.ts";
import { type Random, RingContext } from "./ring_context.ts";
import type { RingBatch, RingImage } from "./ring_disk.ts";
import { type RingStatus, statusOf } from "./ring_status.ts";
import type { Result, Step } from "./steps.ts";
import { Subscriptions } from "./subscriptions.ts";

/** Bytes of records that a node takes of writers. */
export const MAX_NODE_BYTES = 256 * 1024 * 1024;

/** Addresses of seeds are dialled again this often while the node knows nobody. */
const SEED_MS = 1000;
/** Turns of that after which one is dialled at which nobody is known: another ring may be there. */
const SEED_TURNS = 5;
const REMEMBER_MS = 60_000;
/** A node that leaves waits no longer than this for others to take its records. */
const LEAVE_MS = 30_000;
const LEAVE_AGAIN_MS = 500;
/** A new node that finds no place within this time takes its first. */
const CHOICE_MS = 5000;
/** How long replicas are looked for that were there while the node was away. */
const ATTIC_MS = 60_000;

export type { DeleteOptions, GetOptions, ListOptions, PutOptions } from "./local_requests.ts";
export type { RingStatus } from "./ring_status.ts";

export interface RingNodeOptions {
  readonly self: Descriptor;
  readonly verify: Verify;
  readonly hashes: RingHashes;
  readonly random: Random;
  readonly image: RingImage;
  /** Addresses of nodes to begin with, as HOST:PORT. */
  readonly seeds: readonly string[];
  readonly nowMs: number;
  /**
   * Signs the node's descriptor for another of its positions, with a higher incarnation; without it
   * the node stays where `self` says.
   */
  readonly descriptorAt?: (place: number) => Descriptor;
  readonly maxBytes?: number;
}

/**
 * One node of the ring, without clock, sockets and disk: frames and times come in, steps go out. Times
 * are Unix milliseconds of the node's own clock.
 */
export class RingNode {
  readonly #ring: RingContext;
  readonly #o: RingNodeOptions;
  readonly #membership: Membership;
  readonly #records: Records;
  readonly #pusher: Pusher;
  readonly #repair: Repair;
  readonly #subscriptions: Subscriptions;
  readonly #server: RequestServer;
  readonly #requests: LocalRequests;
  #hasBegun = false;
  #seedTurn = 0;
  /** The seed that was dialled last, and those that have led to a node, maybe one of another address. */
  #lastSeed = "";
  readonly #metSeeds = new Set<string>();
  #isChoosing = false;

  constructor(o: RingNodeOptions) {
    this.#o = o;
    const ring = this.#ring = new RingContext(o);
    ring.now = o.nowMs;
    this.#records = new Records(ring, {
      hashes: o.hashes,
      reservedHlc: o.image.reservedHlc,
      maxBytes: o.maxBytes ?? MAX_NODE_BYTES,
    });
    this.#pusher = new Pusher(ring);
    this.#repair = new Repair(ring, this.#records, this.#pusher, () => this.#remember());
    const kept = new KeptRange(ring);
    this.#membership = new Membership(ring, () => {
      kept.changed();
      this.#repair.changed();
    });
    this.#subscriptions = new Subscriptions(ring, this.#records, o.hashes);
    this.#records.onChange = (record) => this.#subscriptions.changed(record);
    ring.onDead = (peer) => this.#membership.drop(peer);
    ring.peers.onSamePosition = ({ key }) => this.#giveWay(key);
    ring.peers.onMove = (peer) => this.#membership.drop(peer);
    this.#server = new RequestServer(ring, {
      membership: this.#membership,
      records: this.#records,
      repair: this.#repair,
      subscriptions: this.#subscriptions,
      kept,
    });
    this.#requests = new LocalRequests(ring, this.#records, this.#server);
    for (const { descriptor, heardAtMs } of o.image.peers) {
      const peer = ring.learn(descriptor);
      if (peer !== null) peer.heardAt = heardAtMs;
    }
  }

  /** Begins to be a member of the ring. */
  start(nowMs: number): Step[] {
    return this.#do(nowMs, () => {
      const ring = this.#ring;
      const { image, seeds, descriptorAt } = this.#o;
      if (seeds.length > 0) this.#dialSeeds();
      const isNew = image.place === null && ring.peers.size === 0;
      if (!isNew || seeds.length === 0 || descriptorAt === undefined) return this.#begin();
      ring.timers.at(ring.now + CHOICE_MS, () => this.#begin());
    });
  }

  /** Takes a frame that came over a link with a node that has proved who it is. */
  feed(from: NodeKey, frame: Frame, nowMs: number): Step[] {
    return this.#do(nowMs, () => {
      const peer = this.#ring.peers.get(from);
      if (peer === this.#ring.self) return;
      if (peer !== undefined) this.#ring.hear(peer);
      if (frame.type === "answer" || frame.type === "error") {
        if (peer !== undefined) this.#ring.calls.receive(peer, frame);
      } else if (this.#hasBegun && frame.type !== "hello" && frame.type !== "bye") {
        if (frame.request === 0) this.#notice(peer, frame as Notice);
        else this.#serve(from, frame as Request);
      }
    });
  }

  /** A link with a node has come up. `isSeed`: this node was asked to look for a ring there. */
  met(descriptor: Descriptor, nowMs: number, isSeed = false): Step[] {
    return this.#do(nowMs, () => {
      const peer = this.#ring.learn(descriptor);
      if (isSeed && this.#lastSeed !== "") this.#metSeeds.add(this.#lastSeed);
      if (peer === null || peer === this.#ring.self) return;
      this.#ring.hear(peer);
      if (!this.#hasBegun) this.#choosePlace(peer);
      else if (isSeed || this.#ring.list.length === 0) this.#membership.probe(peer);
    });
  }

  /** A node's address refuses connections: nobody listens there. */
  refused(key: NodeKey, nowMs: number): Step[] {
    return this.#do(nowMs, () => {
      const peer = this.#ring.peers.get(key);
      if (peer === undefined || peer === this.#ring.self) return;
      this.#ring.blame(peer);
      this.#ring.calls.refuse(peer);
    });
  }

  /** Returns when `tick` is to be called, in Unix milliseconds. */
  due(): number {
    return this.hasMore ? this.#ring.wall : this.#ring.timers.due() + this.#ring.clockSet;
  }

  /** True if `tick` has something to do as soon as the steps so far are done. */
  get hasMore(): boolean {
    return this.#ring.behind.length > 0;
  }

  tick(nowMs: number): Step[] {
    return this.#do(nowMs, () => {});
  }

  /** A batch is on the disk, or the disk could not take it. */
  stored(token: number, nowMs: number, isGood = true): Step[] {
    return this.#do(nowMs, () => this.#records.disk.stored(token, isGood));
  }

  /** Writes a record; a `reply` with the number follows, as after all requests below. */
  put(id: number, o: PutOptions, nowMs: number): Step[] {
    return this.#do(nowMs, () => this.#requests.put(o, (result) => this.#reply(id, result)));
  }

  /** Deletes a record: a trace of the deletion takes its place. */
  delete(id: number, o: DeleteOptions, nowMs: number): Step[] {
    return this.#do(nowMs, () => this.#requests.delete(o, (result) => this.#reply(id, result)));
  }

  /** Reads a record. `isSoft`: the first that is found will do. */
  get(id: number, o: GetOptions, nowMs: number): Step[] {
    return this.#do(nowMs, () => this.#requests.get(o, (result) => this.#reply(id, result)));
  }

  /** Lists records of a bucket by their children. */
  list(id: number, o: ListOptions, nowMs: number): Step[] {
    return this.#do(nowMs, () => this.#requests.list(o, (result) => this.#reply(id, result)));
  }

  /** Finds the owner of a position and its successors. */
  lookup(id: number, position: bigint, nowMs: number): Step[] {
    return this.#do(nowMs, () => {
      this.#requests.lookup(position, (result) => this.#reply(id, result));
    });
  }

  /** Answers another node's question to the core. */
  answerCore(to: NodeKey, request: number, body: Uint8Array, nowMs: number): Step[] {
    return this.#do(nowMs, () => {
      const { state, wall, steps } = this.#ring;
      const stamp = Math.floor(wall);
      const answer = { to: "core", body } as const;
      steps.push({
        type: "send",
        to,
        frame: { type: "answer", request, state, stamp, body: answer },
      });
    });
  }

  /** Begins to follow a bucket: `record` steps tell its records and their changes. */
  subscribe(bucket: string, nowMs: number): Step[] {
    return this.#do(nowMs, () => this.#subscriptions.follow(bucket));
  }

  unsubscribe(bucket: string, nowMs: number): Step[] {
    return this.#do(nowMs, () => this.#subscriptions.unfollow(bucket));
  }

  /** Leaves the ring: others get its records. The state `off` follows, and the process may end. */
  leave(nowMs: number): Step[] {
    return this.#do(nowMs, () => {
      const ring = this.#ring;
      if (ring.state === "leaving") return;
      ring.state = "leaving";
      ring.tell({ name: "state", state: "leaving" });
      let isOff = false;
      const end = () => {
        if (isOff) return;
        isOff = true;
        this.#membership.leave();
        ring.tell({ name: "state", state: "off" });
      };
      ring.timers.at(ring.now + LEAVE_MS, end);
      this.#handAllOff(() => this.#records.disk.whenStored(end));
    });
  }

  /** The process ends: tells the disk who is known, and that no more stamps are given. */
  stop(nowMs: number): Step[] {
    return this.#do(nowMs, () => {
      if (this.#hasBegun) this.#remember({ reservedHlc: this.#records.clock.release() });
    });
  }

  /** Takes a descriptor of its own that is valid longer. */
  renew(descriptor: Descriptor, nowMs: number): Step[] {
    return this.#do(nowMs, () => this.#ring.self.update(descriptor));
  }

  descriptorOf(key: NodeKey): Descriptor | undefined {
    return this.#ring.peers.get(key)?.descriptor;
  }

  /** The node does not answer, or has left; false for one that is not known. */
  isDead(key: NodeKey): boolean {
    return this.#ring.peers.get(key)?.isDead(this.#ring.now) ?? false;
  }

  /** Returns the neighbours. */
  neighbours(): { list: readonly NodeKey[]; pred: NodeKey | null; preds: readonly NodeKey[] } {
    const keys = (peers: readonly Peer[]) => peers.map(({ key }) => key);
    const { list, pred, preds } = this.#ring;
    return { list: keys(list), pred: pred?.key ?? null, preds: keys(preds) };
  }

  /** Returns a record that this node holds, a trace of a deletion too. */
  held(bucket: string, child: string): MeshRecord | undefined {
    return this.#records.store.get(bucket, child);
  }

  /** Visits all records that this node holds. */
  *heldRecords(): Generator<MeshRecord> {
    for (const { records } of this.#records.store.buckets()) {
      for (const { record } of records.values()) yield record;
    }
  }

  /** The clock by which records expire less the own one, in milliseconds. */
  get correctionMs(): number {
    return this.#ring.correctionMs;
  }

  status(): RingStatus {
    const [records, pusher, repair] = [this.#records, this.#pusher, this.#repair];
    return statusOf(this.#ring, { records, pusher, repair });
  }

  get state(): string {
    return this.#ring.state;
  }

  #do(nowMs: number, run: () => void): Step[] {
    const ring = this.#ring;
    const due = ring.timers.due() + ring.clockSet;
    if (due <= nowMs) ring.calls.observeLateness(nowMs - due);
    ring.setTime(nowMs);
    if (this.hasMore) { for (const work of ring.behind.splice(0)) work(); }
    run();
    ring.timers.run(ring.now);
    const { steps } = ring;
    ring.steps = [];
    return steps;
  }

  /** Becomes a member of the ring. */
  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    const ring = this.#ring;
    this.#load();
    this.#records.start();
    this.#repair.start();
    if (this.#o.seeds.length === 0 && ring.peers.size === 0) this.#repair.readyAlone();
    this.#membership.start();
    const { place } = ring.self.descriptor;
    if (this.#o.image.place !== place) this.#records.disk.write({ place });
    ring.timers.at(ring.now + REMEMBER_MS, () => this.#rememberOften());
  }

  /** Of two nodes at one position the one with the larger nodeId goes to its next. */
  #giveWay(other: NodeKey): void {
    const ring = this.#ring;
    const { descriptorAt } = this.#o;
    if (other > ring.self.key || descriptorAt === undefined) return;
    ring.timers.at(ring.now, () => {
      ring.self.update(descriptorAt((ring.self.descriptor.place + 1) % PLACES));
      this.#membership.moved();
    });
  }

  /** A new node looks for the best of its positions at the first seed that it has met. */
  #choosePlace(seed: Peer): void {
    if (this.#isChoosing) return;
    this.#isChoosing = true;
    const ring = this.#ring;
    choosePlace(ring, seed, (place) => {
      if (this.#hasBegun) return;
      if (place !== ring.self.descriptor.place) ring.self.update(this.#o.descriptorAt!(place));
      this.#begin();
      this.#membership.probe(seed);
    });
  }

  #load(): void {
    const { records, ready } = this.#o.image;
    const ring = this.#ring;
    const isLong = ready.until > 0 && ring.wall - ready.until > LONG_AWAY_MS;
    if (!isLong) return this.#records.load(records);
    new Attic(ring, {
      hashes: this.#o.hashes,
      records,
      awaySince: ready.until,
      waitMs: ATTIC_MS,
      onResult: (some, isKept) => {
        if (isKept) this.#records.load(some);
        else for (const record of some) this.#dropFromDisk(record);
      },
    });
  }

  /** A record of the attic that is given up may be there again, from a replica. */
  #dropFromDisk(record: MeshRecord): void {
    const held = this.#records.store.get(record.bucket, record.child);
    if (held === undefined) this.#records.disk.remove(record);
  }

  #dialSeeds(): void {
    const ring = this.#ring;
    const { seeds } = this.#o;
    ring.timers.at(ring.now + SEED_MS, () => this.#dialSeeds());
    const turn = this.#seedTurn++;
    if (ring.list.length === 0) return seeds.forEach((address) => this.#dial(address));
    if (turn % SEED_TURNS !== 0) return;
    const known = new Set(
      [ring.self, ...ring.peers.all()].filter((peer) => !peer.hasLeft)
        .flatMap(({ descriptor }) => descriptor.addresses),
    );
    const unmet = seeds.filter((address) => !known.has(address) && !this.#metSeeds.has(address));
    if (unmet.length === 0) return;
    this.#lastSeed = unmet[turn / SEED_TURNS % unmet.length]!;
    this.#dial(this.#lastSeed);
  }

  #dial(address: string): void {
    this.#ring.steps.push({ type: "dial", address });
  }

  #rememberOften(): void {
    const ring = this.#ring;
    ring.timers.at(ring.now + REMEMBER_MS, () => this.#rememberOften());
    ring.peers.forgetOld(ring, (peer) => ring.isPinned(peer));
    this.#subscriptions.sweep();
    this.#remember();
  }

  #remember(more: Pick<RingBatch, "reservedHlc"> = {}): void {
    const ring = this.#ring;
    const since = this.#repair.readySince;
    this.#records.disk.write({
      peers: ring.peers.remembered(ring),
      place: ring.self.descriptor.place,
      ...more,
      ...(since === 0 ? {} : { ready: { since, until: Math.floor(ring.wall) } }),
    });
  }

  #serve(from: NodeKey, request: Request): void {
    const ring = this.#ring;
    const number = request.request;
    const send = (frame: Frame) => ring.steps.push({ type: "send", to: from, frame });
    this.#server.serve(ring.peers.get(from), request, {
      answer(body: AnswerBody) {
        const { state, wall } = ring;
        send({ type: "answer", request: number, state, stamp: Math.floor(wall), body });
      },
      fail(code: FailureCode, words: string) {
        send({ type: "error", request: number, code, words });
      },
    });
  }

  #notice(peer: Peer | undefined, notice: Notice): void {
    switch (notice.type) {
      case "hint":
        return this.#membership.onHint(notice.node);
      case "left":
        if (peer !== undefined) this.#ring.leave(peer, notice.incarnation);
        return;
      case "event":
        return this.#subscriptions.onEvent(notice.record);
    }
  }

  #handAllOff(onEnd: () => void): void {
    const ring = this.#ring;
    if (ring.list.length === 0) return onEnd();
    const again = (ms: number) => ring.timers.at(ring.now + ms, () => this.#handAllOff(onEnd));
    if (this.#repair.isHandingOff) {
      again(100);
      return;
    }
    this.#repair.handOff((isWhole) => {
      if (isWhole) onEnd();
      else again(LEAVE_AGAIN_MS);
    });
  }

  #reply(id: number, result: Result): void {
    this.#ring.steps.push({ type: "reply", id, result });
  }
}
