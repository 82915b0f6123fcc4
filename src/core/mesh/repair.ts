import { distance, isWithin } from "./circle.ts";
import { chunksOf, Comparison, MAX_RANGES, type NamesChunk } from "./comparison.ts";
import { askNames, recordsOf } from "./comparison.ts";
import type { DigestAnswer, DigestRequest, NamesAnswer, NamesRequest } from "./frame.ts";
import { Lookup } from "./lookup.ts";
import type { Peer } from "./peer.ts";
import type { Pusher } from "./pusher.ts";
import { joinKey, type MeshRecord, replaces } from "./record.ts";
import type { Records } from "./records.ts";
import { COPIES, countHosts, keeps, keptFrom, onDistinctHosts, ownReplicas } from "./replicas.ts";
import type { RingContext } from "./ring_context.ts";
import type { Timer } from "./timers.ts";

const ROUND_MS = 10_000;
/** After a change of the neighbours, and after differences were found. */
const SOON_MS = 300;
const AFTER_DIFFERENCES_MS = 1000;
/** A node that could not compare its range with its neighbours calls itself ready after this. */
const WARMING_MS = 60_000;

/** Keeps the copies of records where they belong (docs/wire/mesh.md, "Repair"). */
export class Repair {
  /** Unix milliseconds since when the node has all records of its range; 0 while it has not. */
  readySince = 0;
  readonly #ring: RingContext;
  readonly #records: Records;
  readonly #pusher: Pusher;
  #round: Timer | null = null;
  #comparisons = 0;
  /** True while records that are not its own are handed to their replicas. */
  #isHandingOff = false;
  #isWhole = true;
  /** Start of the last round in which all replicas had the same. */
  #agreedAt = 0;
  #agreedWithPred: Peer | null = null;
  #agreedWithReplicas = false;
  /** Where the own range began when a replica was last found, or made, to have all of it. */
  readonly #confirmed = new Map<Peer, bigint>();
  readonly #onReady: () => void;

  constructor(
    ring: RingContext,
    records: Records,
    pusher: Pusher,
    onReady: () => void,
  ) {
    this.#ring = ring;
    this.#records = records;
    this.#pusher = pusher;
    this.#onReady = onReady;
  }

  start(): void {
    const ring = this.#ring;
    ring.timers.at(ring.now + WARMING_MS, () => this.#becomeReady());
    this.#schedule(ROUND_MS * (0.8 + 0.4 * ring.random()));
  }

  /** True while records are on their way to their replicas. */
  get isHandingOff(): boolean {
    return this.#isHandingOff;
  }

  /** Counts the buckets of the own range of which fewer hosts than there should be are known to have all. */
  get underReplicated(): number {
    const { pred, self } = this.#ring;
    const from = pred?.position ?? self.position;
    const copies = ownReplicas(this.#ring).filter((peer) => this.#confirmed.get(peer) === from);
    if (copies.length + 1 >= COPIES) return 0;
    return this.#records.store.countBuckets(from, self.position);
  }

  /** The list or the predecessor has changed. */
  changed(): void {
    this.#schedule(SOON_MS);
  }

  onDigest(from: Peer | undefined, { ranges, dropBefore }: DigestRequest): DigestAnswer {
    const { store } = this.#records;
    const counts = ranges.slice(0, MAX_RANGES).map(({ from, to, count, sum }) => {
      if (dropBefore > 0) this.#records.dropTombstones(from, to, dropBefore);
      const own = store.summary(from, to);
      return own.count === count && own.sum === sum ? null : own.count;
    });
    const [first] = ranges;
    const isPreds = from !== undefined && from === this.#ring.pred;
    if (isPreds && ranges.length === 1 && first!.to === from.position && counts[0] === null) {
      this.#agreedWithPred = from;
      this.#lookIfReady();
    }
    return { to: "digest", counts };
  }

  /** Compares names with those of another node. Calls back once what it has itself is stored. */
  onNames(from: Peer | undefined, request: NamesRequest, run: (answer: NamesAnswer) => void): void {
    const { names, isHandOff } = request;
    const { store, disk } = this.#records;
    const wants: number[] = [];
    const foreign: number[] = [];
    const named = new Map<string, number>();
    for (const [index, name] of names.entries()) {
      named.set(joinKey(name), index);
      const position = store.positionOf(name.bucket);
      if (!isWithin(request.from, position, request.to)) continue;
      if (isHandOff && !keeps(this.#ring, position)) foreign.push(index);
      else if (replaces(name as MeshRecord, store.get(name.bucket, name.child))) wants.push(index);
    }
    const own = isHandOff || from === undefined ? [] : this.#ownIn(request).filter((record) => {
      const index = named.get(joinKey(record));
      return index === undefined || replaces(record, names[index] as MeshRecord);
    });
    if (own.length > 0) this.#pusher.push(from!, own, () => {});
    disk.whenStored((isGood) => {
      const all = isGood ? foreign : names.map((_, index) => index);
      const { readySince } = this;
      run({ to: "names", wants, foreign: all, pushes: own.length, readySince });
    });
  }

  #ownIn({ from, to, afterChild, lastChild }: NamesRequest): MeshRecord[] {
    const all = recordsOf(this.#records.store.bucketsIn(from, to));
    if (afterChild === null && lastChild === null) return all;
    return all.filter(({ child }) =>
      (afterChild === null || child > afterChild) && (lastChild === null || child <= lastChild)
    );
  }

  #schedule(ms: number): void {
    const { now, timers } = this.#ring;
    if (this.#round?.run != null && this.#round.time <= now + ms) return;
    timers.cancel(this.#round);
    this.#round = timers.at(now + ms, () => this.#runRound());
  }

  /** Compares the own range with its replicas, and hands off what is not kept here. */
  #runRound(): void {
    const ring = this.#ring;
    this.#schedule(ROUND_MS * (0.8 + 0.4 * ring.random()));
    if (ring.state === "leaving") return;
    this.handOff();
    const { pred, self } = ring;
    if (this.#comparisons > 0 || pred === null) return;
    const range = { from: pred.position, to: self.position };
    const replicas = ownReplicas(ring);
    const startedAt = ring.time;
    const dropBefore = Math.floor(this.#agreedAt);
    if (dropBefore > 0) this.#records.dropTombstones(range.from, range.to, dropBefore);
    let areSame = true;
    const end = () => {
      if (this.#comparisons > 0) return;
      this.#agreedAt = areSame ? startedAt : 0;
      this.#agreedWithReplicas = areSame;
      if (areSame) this.#lookIfReady();
      else this.#schedule(AFTER_DIFFERENCES_MS);
    };
    this.#comparisons = replicas.length;
    for (const peer of this.#confirmed.keys()) {
      if (!replicas.includes(peer)) this.#confirmed.delete(peer);
    }
    if (replicas.length === 0) return end();
    const parts = { ring, records: this.#records, pusher: this.#pusher };
    for (const peer of replicas) {
      new Comparison(parts, peer, range, dropBefore, (outcome) => {
        this.#comparisons--;
        if (outcome === "failed") this.#confirmed.delete(peer);
        else this.#confirmed.set(peer, range.from);
        areSame &&= outcome === "same";
        end();
      });
    }
  }

  /**
   * Gives records that are not kept here to their replicas; a node that leaves gives all. Tells at
   * the end whether all replicas have all of them.
   */
  handOff(onEnd: (isWhole: boolean) => void = () => {}): void {
    const ring = this.#ring;
    if (this.#isHandingOff) return;
    const from = ring.state === "leaving" ? ring.self.position : keptFrom(ring);
    if (from === null || ring.list.length === 0) return onEnd(true);
    const [first, last] = [ring.self.position, from];
    if (this.#records.store.summary(first, last).count === 0) return onEnd(true);
    this.#isHandingOff = true;
    this.#isWhole = true;
    this.#handOffFrom(first, last, () => {
      this.#isHandingOff = false;
      onEnd(this.#isWhole);
    });
  }

  /** Hands off the records of (from, to], one owner's range after the other. */
  #handOffFrom(from: bigint, to: bigint, onEnd: () => void): void {
    const ring = this.#ring;
    const [bucket] = this.#records.store.bucketsIn(from, to);
    if (bucket === undefined) return onEnd();
    new Lookup(ring, bucket.position, {}, (found) => {
      const nodes = (found?.nodes ?? []).filter((peer) =>
        (peer === ring.self ? ring.state : peer.state) !== "leaving"
      );
      const [owner] = nodes;
      if (owner === undefined) {
        this.#isWhole = false;
        return onEnd();
      }
      const isInRange = distance(bucket.position, owner.position) < distance(bucket.position, to);
      const end = isInRange ? owner.position : to;
      const goOn = () => {
        if (isInRange && end !== to) this.#handOffFrom(end, to, onEnd);
        else onEnd();
      };
      const replicas = onDistinctHosts(nodes, COPIES);
      // A view of the ring in which the node itself is a replica contradicts its own.
      // Hosts behind a partition are remembered: what they should hold is not deleted without them.
      const known = ring.peers.all().filter((peer) => !peer.hasLeft);
      const isShort = replicas.length < Math.min(COPIES, countHosts([ring.self, ...known]));
      if (ring.state !== "leaving" && (isShort || replicas.includes(ring.self))) return goOn();
      const chunks = chunksOf(from, end, this.#records.store.bucketsIn(from, end));
      this.#handOffChunks(chunks, replicas, goOn);
    });
  }

  #handOffChunks(chunks: NamesChunk[], replicas: readonly Peer[], onEnd: () => void): void {
    const chunk = chunks.shift();
    if (chunk === undefined) return onEnd();
    /** How many replicas have each record. */
    const holders = chunk.records.map(() => 0);
    let open = replicas.length;
    const done = () => {
      if (--open > 0) return;
      for (const [index, record] of chunk.records.entries()) {
        if (holders[index]! >= replicas.length) this.#giveUp(record);
        else this.#isWhole = false;
      }
      this.#handOffChunks(chunks, replicas, onEnd);
    };
    for (const peer of replicas) {
      askNames(this.#ring, peer, chunk, true, {
        onAnswer: ({ wants, foreign }) => {
          const not = new Set([...wants, ...foreign]);
          for (const index of holders.keys()) if (!not.has(index)) holders[index]!++;
          // A node that does not yet know that this one leaves does not know what becomes its own.
          const isLeaving = this.#ring.state === "leaving";
          const wanted = isLeaving ? [...not] : wants.filter((index) => !foreign.includes(index));
          const records = wanted.flatMap((index) => chunk.records[index] ?? []);
          this.#pusher.push(peer, records, (isGood) => {
            if (isGood) { for (const index of wanted) holders[index]!++; }
            done();
          });
        },
        onFail: done,
      });
    }
  }

  /** All replicas have a record: it is deleted here, unless it is newer or the node's own by now. */
  #giveUp(record: MeshRecord): void {
    const { store } = this.#records;
    if (store.get(record.bucket, record.child) !== record) return;
    // A node that leaves keeps its disk as it is: it may come back before others have written it.
    if (this.#ring.state === "leaving") return;
    if (keeps(this.#ring, store.positionOf(record.bucket))) return;
    this.#records.forget(record);
  }

  #lookIfReady(): void {
    const { pred, self } = this.#ring;
    const predIsOther = pred !== null && pred.host !== self.host;
    if (!this.#agreedWithReplicas || (predIsOther && this.#agreedWithPred !== pred)) return;
    this.#becomeReady();
  }

  #becomeReady(): void {
    if (this.#ring.state !== "warming") return;
    this.#ring.state = "ready";
    this.readySince = Math.floor(this.#ring.wall);
    this.#ring.tell({ name: "state", state: "ready" });
    this.#onReady();
  }

  /** The node is alone, or the first one: it has all there is. */
  readyAlone(): void {
    this.#becomeReady();
  }
}
