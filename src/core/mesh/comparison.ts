import { CIRCLE, distance } from "./circle.ts";
import type { DigestAnswer, NamesAnswer, RangeDigest } from "./frame.ts";
import type { Peer } from "./peer.ts";
import type { Pusher } from "./pusher.ts";
import type { MeshRecord, RecordName } from "./record.ts";
import type { Bucket } from "./record_store.ts";
import type { Records } from "./records.ts";
import type { RingContext } from "./ring_context.ts";

/** Up to so many names are compared one by one; more are halved further. */
export const MAX_NAMES = 64;

/** Ranges that a different one is split in, and most ranges of a request. */
export const MAX_RANGES = 16;

/** Most requests of a comparison that are open at a time. */
const MAX_OPEN = 8;

interface Range {
  readonly from: bigint;
  readonly to: bigint;
}

/** Names of some children of a range, where `MAX_NAMES` do not suffice for it. */
export interface NamesChunk extends Range {
  readonly afterChild: string | null;
  readonly lastChild: string | null;
  readonly records: readonly MeshRecord[];
}

/** `mended`: there were differences, which both sides have been told of. */
export type Outcome = "same" | "mended" | "failed";

/** Compares the records of a range with those of a peer, and brings both to the newest of each. */
export class Comparison {
  readonly #ring: RingContext;
  readonly #records: Records;
  readonly #pusher: Pusher;
  readonly #peer: Peer;
  readonly #onEnd: (outcome: Outcome) => void;
  readonly #work: (() => void)[] = [];
  #open = 0;
  #isDifferent = false;
  #hasFailed = false;

  constructor(
    o: { ring: RingContext; records: Records; pusher: Pusher },
    peer: Peer,
    range: Range,
    dropBefore: number,
    onEnd: (outcome: Outcome) => void,
  ) {
    this.#ring = o.ring;
    this.#records = o.records;
    this.#pusher = o.pusher;
    this.#peer = peer;
    this.#onEnd = onEnd;
    this.#digest([range], dropBefore);
    this.#goOn();
  }

  #digest(ranges: readonly Range[], dropBefore = 0): void {
    this.#work.push(() => {
      const { store } = this.#records;
      const digests: RangeDigest[] = ranges.map(({ from, to }) => ({
        from,
        to,
        ...store.summary(from, to),
      }));
      this.#ring.calls.call<"digest">(this.#peer, { type: "digest", ranges: digests, dropBefore }, {
        onAnswer: (answer) => {
          this.#takeCounts(digests, answer);
          this.#done(true);
        },
        onFail: () => this.#done(false),
      });
    });
  }

  #takeCounts(ranges: readonly RangeDigest[], { counts }: DigestAnswer): void {
    for (const [i, range] of ranges.entries()) {
      const theirs = counts[i] ?? null;
      if (theirs === null) continue;
      this.#isDifferent = true;
      if (theirs === 0) this.#give(range);
      else if (range.count <= MAX_NAMES || span(range) === 1n) this.#names(range);
      else this.#digest(split(range));
    }
  }

  /** The peer has nothing of a range: it gets all. */
  #give({ from, to }: Range): void {
    const records = recordsOf(this.#records.store.bucketsIn(from, to));
    this.#work.push(() => this.#push(records));
  }

  #names({ from, to }: Range): void {
    for (const chunk of chunksOf(from, to, this.#records.store.bucketsIn(from, to))) {
      this.#work.push(() =>
        askNames(this.#ring, this.#peer, chunk, false, {
          onAnswer: ({ wants, pushes }) => {
            this.#ring.counts.differences += wants.length + pushes;
            const wanted = wants.flatMap((index) => chunk.records[index] ?? []);
            this.#push(wanted);
          },
          onFail: () => this.#done(false),
        })
      );
    }
  }

  #push(records: readonly MeshRecord[]): void {
    this.#pusher.push(this.#peer, records, (isGood) => this.#done(isGood));
  }

  #done(isGood: boolean): void {
    this.#open--;
    this.#hasFailed ||= !isGood;
    this.#goOn();
  }

  #goOn(): void {
    if (this.#hasFailed) this.#work.length = 0;
    while (this.#open < MAX_OPEN && this.#work.length > 0) {
      this.#open++;
      this.#work.shift()!();
    }
    if (this.#open > 0 || this.#work.length > 0) return;
    this.#onEnd(this.#hasFailed ? "failed" : this.#isDifferent ? "mended" : "same");
  }
}

export function askNames(
  ring: RingContext,
  peer: Peer,
  { from, to, afterChild, lastChild, records }: NamesChunk,
  isHandOff: boolean,
  events: { onAnswer(answer: NamesAnswer): void; onFail(): void },
): void {
  const names: RecordName[] = records.map(({ bucket, child, version }) => ({
    bucket,
    child,
    version,
  }));
  ring.calls.call<"names">(peer, {
    type: "names",
    from,
    to,
    names,
    afterChild,
    lastChild,
    isHandOff,
  }, events);
}

/** Divides the records of a range so that each part has few names; a large bucket by its children. */
export function chunksOf(from: bigint, to: bigint, buckets: readonly Bucket[]): NamesChunk[] {
  const chunks: NamesChunk[] = [];
  let [start, records]: [bigint, MeshRecord[]] = [from, []];
  const close = (end: bigint) => {
    if (end !== start || chunks.length === 0) {
      chunks.push({ from: start, to: end, afterChild: null, lastChild: null, records });
    }
    [start, records] = [end, []];
  };
  for (const bucket of buckets) {
    const before = (bucket.position - 1n + CIRCLE) % CIRCLE;
    if (records.length + bucket.records.size > MAX_NAMES && before !== start) close(before);
    if (bucket.records.size <= MAX_NAMES) {
      records.push(...recordsOf([bucket]));
      continue;
    }
    chunks.push(...chunksOfBucket(bucket));
    start = bucket.position;
  }
  if (start !== to || chunks.length === 0) close(to);
  return chunks;
}

function chunksOfBucket(bucket: Bucket): NamesChunk[] {
  const all = recordsOf([bucket]);
  const from = (bucket.position - 1n + CIRCLE) % CIRCLE;
  const chunks: NamesChunk[] = [];
  for (let at = 0; at < all.length; at += MAX_NAMES) {
    const records = all.slice(at, at + MAX_NAMES);
    chunks.push({
      from,
      to: bucket.position,
      afterChild: at === 0 ? null : all[at - 1]!.child,
      lastChild: at + MAX_NAMES >= all.length ? null : records.at(-1)!.child,
      records,
    });
  }
  return chunks;
}

/** Records of buckets, in the order of their children. */
export function recordsOf(buckets: readonly Bucket[]): MeshRecord[] {
  const found: MeshRecord[] = [];
  for (const { records } of buckets) {
    const some = [...records.values()].map(({ record }) => record);
    if (some.length > 1) some.sort((a, b) => a.child < b.child ? -1 : 1);
    for (const record of some) found.push(record);
  }
  return found;
}

function span({ from, to }: Range): bigint {
  return from === to ? CIRCLE : distance(from, to);
}

function split(range: Range): Range[] {
  const whole = span(range);
  const parts = whole < BigInt(MAX_RANGES) ? whole : BigInt(MAX_RANGES);
  const at = (i: bigint) => (range.from + whole * i / parts) % CIRCLE;
  return Array.from({ length: Number(parts) }, (_, i) => ({
    from: at(BigInt(i)),
    to: at(BigInt(i) + 1n),
  }));
}
