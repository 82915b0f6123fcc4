import type { SubAnswer, SubRequest } from "./frame.ts";
import { CIRCLE } from "./circle.ts";
import type { RingHashes } from "./hashes.ts";
import { Lookup } from "./lookup.ts";
import type { Peer } from "./peer.ts";
import { type MeshRecord, replaces, sizeOf } from "./record.ts";
import { recordsOf } from "./comparison.ts";
import type { Records } from "./records.ts";
import { COPIES, onDistinctHosts } from "./replicas.ts";
import type { RingContext } from "./ring_context.ts";

const RENEW_MS = 30_000;
const LASTS_MS = 60_000;
/** A subscription for which no replica was found is tried again after so long. */
const AGAIN_MS = 1000;
/** An answer has so many bytes of records at most; others follow as events. */
const ANSWER_BYTES = 48 * 1024;
/** Most buckets that one peer may be subscribed to here. */
const MAX_PER_PEER = 20_000;

/** A bucket that the own process follows. */
interface Followed {
  readonly records: Map<string, MeshRecord>;
  sum: bigint;
}

/** Changes of buckets: those that other nodes want to hear of, and those that this one follows. */
export class Subscriptions {
  readonly #ring: RingContext;
  readonly #records: Records;
  readonly #hashes: RingHashes;
  /** Peers by the bucket they follow, with the time at which that ends. */
  readonly #subscribers = new Map<string, Map<Peer, number>>();
  readonly #counts = new Map<Peer, number>();
  readonly #followed = new Map<string, Followed>();

  constructor(ring: RingContext, records: Records, hashes: RingHashes) {
    this.#ring = ring;
    this.#records = records;
    this.#hashes = hashes;
  }

  /** Begins to follow a bucket: its records are told as they are found. */
  follow(bucket: string): void {
    if (this.#followed.has(bucket)) return;
    this.#followed.set(bucket, { records: new Map(), sum: 0n });
    this.#renew(bucket);
  }

  unfollow(bucket: string): void {
    if (!this.#followed.delete(bucket)) return;
    const body = { type: "sub", bucket, count: 0, sum: 0n, isEnd: true } as const;
    this.#atReplicas(bucket, (peer) => {
      if (peer !== this.#ring.self) {
        this.#ring.calls.call<"sub">(peer, body, { onAnswer() {}, onFail() {} });
      }
    }, () => {});
  }

  /** A record changed here: tells those who follow its bucket. */
  changed(record: MeshRecord): void {
    this.#told(record);
    const subscribers = this.#subscribers.get(record.bucket);
    if (subscribers === undefined) return;
    for (const [peer, until] of subscribers) {
      if (until < this.#ring.now || peer.hasLeft) this.#drop(record.bucket, peer);
      else this.#ring.send(peer, { type: "event", request: 0, record });
    }
  }

  /** Another node tells of a change. */
  onEvent(record: MeshRecord): void {
    this.#told(record);
  }

  onSub(from: Peer | undefined, { bucket, count, sum, isEnd }: SubRequest): SubAnswer {
    if (from !== undefined) {
      if (isEnd) this.#drop(bucket, from);
      else this.#add(bucket, from);
    }
    const held = this.#records.store.bucket(bucket);
    const isSame = (held?.records.size ?? 0) === count &&
      this.#records.store.sumOf(bucket) === sum;
    if (isEnd || isSame || held === undefined) return { to: "sub", records: null };
    const records: MeshRecord[] = [];
    let bytes = 0;
    for (const record of recordsOf([held])) {
      bytes += sizeOf(record);
      if (bytes <= ANSWER_BYTES) records.push(record);
      else if (from !== undefined) this.#ring.send(from, { type: "event", request: 0, record });
    }
    return { to: "sub", records };
  }

  #renew(bucket: string): void {
    const ring = this.#ring;
    const followed = this.#followed.get(bucket);
    if (followed === undefined || ring.state === "leaving") return;
    this.#forgetExpired(followed);
    let found = false;
    this.#atReplicas(bucket, (peer) => {
      found = true;
      if (peer === ring.self) {
        return this.#records.store.bucket(bucket)?.records.forEach(
          ({ record }) => this.#told(record),
        );
      }
      const count = followed.records.size;
      ring.calls.call<"sub">(
        peer,
        { type: "sub", bucket, count, sum: followed.sum, isEnd: false },
        {
          onAnswer: ({ records }) => records?.forEach((record) => this.#told(record)),
          onFail() {},
        },
      );
    }, () => {
      const wait = found ? RENEW_MS * (0.8 + 0.4 * ring.random()) : AGAIN_MS;
      ring.timers.at(ring.now + wait, () => {
        if (this.#followed.get(bucket) === followed) this.#renew(bucket);
      });
    });
  }

  #atReplicas(bucket: string, run: (peer: Peer) => void, onEnd: () => void): void {
    new Lookup(this.#ring, this.#records.store.positionOf(bucket), {}, (found) => {
      for (const peer of onDistinctHosts(found?.nodes ?? [], COPIES)) run(peer);
      onEnd();
    });
  }

  #told(record: MeshRecord): void {
    const followed = this.#followed.get(record.bucket);
    if (followed === undefined) return;
    const held = followed.records.get(record.child);
    if (!replaces(record, held)) return;
    const before = held === undefined ? 0n : this.#hashes.sum(held);
    followed.sum = (followed.sum + this.#hashes.sum(record) - before + CIRCLE) % CIRCLE;
    followed.records.set(record.child, record);
    this.#ring.steps.push({ type: "record", record });
  }

  #forgetExpired(followed: Followed): void {
    for (const record of followed.records.values()) {
      const isOver = record.class === "soft" && record.expiry !== 0 &&
        record.expiry < this.#ring.time;
      if (!isOver) continue;
      followed.records.delete(record.child);
      followed.sum = (followed.sum - this.#hashes.sum(record) + CIRCLE) % CIRCLE;
    }
  }

  #add(bucket: string, peer: Peer): void {
    let subscribers = this.#subscribers.get(bucket);
    const isNew = subscribers?.has(peer) !== true;
    const count = this.#counts.get(peer) ?? 0;
    if (isNew && count >= MAX_PER_PEER) return;
    if (subscribers === undefined) this.#subscribers.set(bucket, subscribers = new Map());
    subscribers.set(peer, this.#ring.now + LASTS_MS);
    if (isNew) this.#counts.set(peer, count + 1);
  }

  #drop(bucket: string, peer: Peer): void {
    const subscribers = this.#subscribers.get(bucket);
    if (subscribers?.delete(peer) !== true) return;
    if (subscribers.size === 0) this.#subscribers.delete(bucket);
    const count = this.#counts.get(peer)! - 1;
    if (count === 0) this.#counts.delete(peer);
    else this.#counts.set(peer, count);
  }

  /** Ends subscriptions that were not renewed. */
  sweep(): void {
    for (const [bucket, subscribers] of this.#subscribers) {
      for (const [peer, until] of subscribers) {
        if (until < this.#ring.now) this.#drop(bucket, peer);
      }
    }
  }
}
