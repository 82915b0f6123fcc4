import type { Answer, FailureCode, GetAnswer } from "./frame.ts";
import { findOwner } from "./lookup.ts";
import type { Peer } from "./peer.ts";
import type { MeshRecord } from "./record.ts";
import { joinKey, replaces } from "./record.ts";
import { Records } from "./records.ts";
import { COPIES, keeps, onDistinctHosts } from "./replicas.ts";
import type { RingContext } from "./ring_context.ts";
import type { Timer } from "./timers.ts";
import type { Result } from "./steps.ts";
import type { AskPut } from "./writes.ts";

const READ_MS = 5000;
const AGAIN_MS = 300;
/** After so long the ring knows of those that died, and a few replies tell that there is no record. */
const MISS_MS = 2500;

/**
 * A soft read that the own copy answers asks the other replicas so much later, once for all such reads
 * of the record meanwhile: its reader waits for none of that.
 */
const MEND_MS = 100;

/** Records that one list mends at its replicas; comparisons of ranges mend what is more. */
const MOST_MENDED = 64;

/** Replies of replicas with all their records that a reader waits for. */
const REPLIES = 2;

export interface ReadRequest {
  readonly bucket: string;
  /** Null for a list. */
  readonly child: string | null;
  readonly prefix: string;
  readonly after: string | null;
  readonly limit: number;
  /** True to be content with the first record that is found. */
  readonly isSoft: boolean;
}

export type AskGet = (
  peer: Peer,
  body: {
    type: "get";
    bucket: string;
    child: string | null;
    prefix: string;
    after: string | null;
    limit: number;
  },
  events: {
    onAnswer(answer: GetAnswer, whole: Answer): void;
    onFail(code: FailureCode | null): void;
    onSlow?(): void;
  },
) => void;

/** Reads a record, or a list of a bucket, from its replicas; the newest version wins. */
export class Read {
  readonly #ring: RingContext;
  readonly #o: ReadRequest;
  readonly #position: bigint;
  readonly #ask: { get: AskGet; put: AskPut };
  readonly #mending: Set<string>;
  readonly #onEnd: (result: Result) => void;
  #asked = new Set<Peer>();
  #nodes: readonly Peer[] = [];
  #open = 0;
  #wanted = REPLIES;
  readonly #newest = new Map<string, MeshRecord>();
  readonly #replies: {
    readonly peer: Peer;
    readonly answer: GetAnswer;
    /** True if the node has all records of its range. */
    readonly isReady: boolean;
  }[] = [];
  #isOver = false;
  #isWaiting = false;
  readonly #missAt: number;
  readonly #deadline: Timer;

  /** `mending`: what the replicas are asked for soon, which reads of one node share. */
  constructor(
    ring: RingContext,
    o: ReadRequest,
    position: bigint,
    { mending, ...ask }: { get: AskGet; put: AskPut; mending: Set<string> },
    onEnd: (result: Result) => void,
  ) {
    this.#ring = ring;
    this.#o = o;
    this.#position = position;
    this.#ask = ask;
    this.#mending = mending;
    this.#onEnd = onEnd;
    this.#missAt = ring.now + MISS_MS;
    this.#deadline = ring.timers.at(ring.now + READ_MS, () => this.#fail());
    if (o.isSoft && keeps(ring, position)) this.#readOwn();
    if (this.#isOver) this.#mendSoon();
    else this.#begin();
  }

  /** Any copy will do for a soft read: where this node has one, its reader waits for nobody. */
  #readOwn(): void {
    this.#ask.get(this.#ring.self, this.#body(), {
      onAnswer: (answer, whole) => {
        if (answer.records.length === 0) return;
        this.#take(this.#ring.self, answer, whole);
        this.#succeed();
      },
      onFail() {},
    });
  }

  #begin(): void {
    findOwner(this.#ring, this.#position, (found) => {
      if (this.#isOver) return;
      if (found === null) return this.#again();
      this.#asked = new Set();
      this.#replies.length = 0;
      this.#nodes = found.nodes;
      const first = onDistinctHosts(this.#usable(), COPIES);
      this.#wanted = Math.min(REPLIES, first.length);
      for (const peer of first) this.#send(peer);
      if (first.length === 0) this.#again();
    });
  }

  /** After an answer from the own copy: asks the others, and gives the newest to those that lack it. */
  #mendSoon(): void {
    const { bucket, child, prefix, after } = this.#o;
    const key = child === null ? `${bucket} ${prefix} ${after}` : joinKey({ bucket, child });
    if (this.#mending.has(key)) return;
    this.#mending.add(key);
    this.#ring.timers.at(this.#ring.now + MEND_MS, () => {
      this.#mending.delete(key);
      findOwner(this.#ring, this.#position, (found) => {
        if (found === null) return;
        this.#nodes = found.nodes;
        const first = onDistinctHosts(this.#usable(), COPIES);
        for (const peer of first) if (peer !== this.#ring.self) this.#send(peer);
      });
    });
  }

  /** Counts replies of nodes that are among these, and have all records of their range. */
  #countReady(replicas: readonly Peer[]): number {
    const ready = this.#replies.filter(({ peer, isReady }) => isReady && replicas.includes(peer));
    return new Set(ready.map(({ peer }) => peer)).size;
  }

  /**
   * True if the replies are an answer. A node that is asked because a replica is slow, or was called
   * dead a moment ago, may have a record; that it has none means nothing.
   */
  #isEnough(): boolean {
    const isFound = this.#newest.size > 0;
    if (isFound && this.#o.isSoft) return true;
    const replicas = onDistinctHosts(this.#nodes, COPIES);
    if (this.#countReady(replicas) >= Math.min(REPLIES, replicas.length)) return true;
    if (!isFound || this.#o.child === null) return false;
    return this.#countReady(onDistinctHosts(this.#usable(), COPIES)) >= this.#wanted;
  }

  #usable(): Peer[] {
    return this.#nodes.filter((peer) => !peer.isDead(this.#ring.now));
  }

  #send(peer: Peer): void {
    this.#asked.add(peer);
    this.#open++;
    this.#ask.get(peer, this.#body(), {
      onAnswer: (answer, whole) => {
        this.#open--;
        this.#take(peer, answer, whole);
        this.#look();
      },
      onFail: () => {
        this.#open--;
        this.#sendNext();
      },
      onSlow: () => this.#sendNext(),
    });
  }

  #body(): Parameters<AskGet>[1] {
    const { bucket, child, prefix, after, limit } = this.#o;
    return { type: "get", bucket, child, prefix, after, limit };
  }

  #take(peer: Peer, answer: GetAnswer, { state }: Answer): void {
    this.#replies.push({ peer, answer, isReady: state !== "warming" });
    for (const record of answer.records) {
      const held = this.#newest.get(record.child);
      if (replaces(record, held)) this.#newest.set(record.child, record);
    }
  }

  #sendNext(): void {
    if (this.#isOver) return this.#look();
    const next = this.#usable().find((peer) => !this.#asked.has(peer));
    if (next !== undefined) this.#send(next);
    else this.#look();
  }

  #look(): void {
    if (!this.#isOver && this.#isEnough()) this.#succeed();
    if (this.#open > 0) return;
    if (this.#isOver) return this.#repair();
    // Fewer replicas than usual are left, or none has all its records yet.
    const isLate = this.#ring.now >= this.#missAt;
    if (this.#newest.size > 0 || (isLate && this.#replies.some(({ isReady }) => isReady))) {
      this.#succeed();
      this.#repair();
    } else this.#again();
  }

  #again(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#ring.timers.at(this.#ring.now + AGAIN_MS, () => {
      this.#isWaiting = false;
      if (!this.#isOver) this.#begin();
    });
  }

  #succeed(): void {
    this.#finish();
    const { time: now } = this.#ring;
    if (this.#o.child !== null) {
      const record = Records.visible(this.#newest.get(this.#o.child), now);
      return this.#onEnd({ is: "record", record });
    }
    // Behind the end of a page that was cut, other replicas may have more.
    let end: string | null = null;
    for (const { answer } of this.#replies) {
      const last = answer.records.at(-1)?.child;
      if (answer.hasMore && last !== undefined && (end === null || last < end)) end = last;
    }
    const records = [...this.#newest.values()].filter(({ child }) => end === null || child <= end);
    records.sort((a, b) => a.child < b.child ? -1 : 1);
    const page = records.slice(0, this.#o.limit);
    this.#onEnd({
      is: "list",
      records: page.filter((record) => Records.visible(record, now) !== null),
      hasMore: end !== null || page.length < records.length,
      last: page.at(-1)?.child ?? null,
    });
  }

  /** Gives replicas that replied with older versions, or without one, the newest. */
  #repair(): void {
    const replicas = onDistinctHosts(this.#nodes, COPIES);
    let mended = 0;
    for (const { peer, answer } of this.#replies) {
      if (!replicas.includes(peer)) continue;
      const told = new Map(answer.records.map((record) => [record.child, record]));
      const end = answer.hasMore ? answer.records.at(-1)?.child : undefined;
      for (const newest of this.#newest.values()) {
        const isBehindPage = end !== undefined && newest.child > end;
        if (isBehindPage || !replaces(newest, told.get(newest.child))) continue;
        if (mended++ === 0) this.#ring.counts.disagreements++;
        if (mended > MOST_MENDED) return;
        this.#ask.put(peer, { type: "put", record: newest, isOwner: false }, {
          onAnswer() {},
          onFail() {},
        });
      }
    }
  }

  #fail(): void {
    if (this.#isOver) return;
    this.#finish();
    this.#onEnd({
      is: "failed",
      reason: "unavailable",
      outcome: "none",
      words: "No replica of the record answers",
    });
  }

  #finish(): void {
    this.#isOver = true;
    this.#ring.timers.cancel(this.#deadline);
  }
}
