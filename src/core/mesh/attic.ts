import { askNames, chunksOf, type NamesChunk } from "./comparison.ts";
import type { RingHashes } from "./hashes.ts";
import { Lookup } from "./lookup.ts";
import type { Peer } from "./peer.ts";
import type { MeshRecord } from "./record.ts";
import { RecordStore } from "./record_store.ts";
import { COPIES, onDistinctHosts } from "./replicas.ts";
import type { RingContext } from "./ring_context.ts";

/** A node that was away longer may have missed deletions of which nobody remembers the traces. */
export const LONG_AWAY_MS = 6 * 24 * 3600_000;

const AGAIN_MS = 3000;

/**
 * Records of a node that was away for long. Replicas that were there all the time know which of them
 * still are; where there are none, since all were away, the records count again.
 */
export class Attic {
  readonly #ring: RingContext;
  readonly #store: RecordStore;
  /** Until when the node had all records of its range. */
  readonly #awaySince: number;
  /** Called with records that still count, and with those that are given up. */
  readonly #onResult: (records: readonly MeshRecord[], isKept: boolean) => void;
  #deadline: number;

  constructor(
    ring: RingContext,
    o: {
      hashes: RingHashes;
      records: readonly MeshRecord[];
      awaySince: number;
      /** How long replicas are looked for. */
      waitMs: number;
      onResult: (records: readonly MeshRecord[], isKept: boolean) => void;
    },
  ) {
    this.#ring = ring;
    this.#store = new RecordStore(o.hashes);
    for (const record of o.records) this.#store.put(record);
    this.#awaySince = o.awaySince;
    this.#onResult = o.onResult;
    this.#deadline = ring.now + o.waitMs;
    this.#round();
  }

  #round(): void {
    const ring = this.#ring;
    const all = chunksOf(0n, 0n, this.#store.bucketsIn(0n, 0n)).flatMap(({ records }) => records);
    if (all.length === 0) return;
    if (ring.now >= this.#deadline) return this.#onResult(all, true);
    this.#next(all[0]!, () => ring.timers.at(ring.now + AGAIN_MS, () => this.#round()));
  }

  /** Asks the replicas of a bucket for it, and goes on with those behind it. */
  #next(first: MeshRecord, onEnd: () => void): void {
    const bucket = this.#store.bucket(first.bucket)!;
    const position = bucket.position;
    new Lookup(this.#ring, position, {}, (found) => {
      const nodes = onDistinctHosts(found?.nodes ?? [], COPIES);
      const others = nodes.filter((peer) => peer !== this.#ring.self);
      const chunks = chunksOf(position - 1n, position, [bucket]);
      this.#ask(chunks, others, () => {
        const behind = this.#store.bucketsIn(position, (1n << 128n) - 1n)[0];
        if (behind === undefined || behind.position <= position) return onEnd();
        const [next] = behind.records.values();
        this.#next(next!.record, onEnd);
      });
    });
  }

  #ask(chunks: NamesChunk[], peers: readonly Peer[], onEnd: () => void): void {
    const chunk = chunks[0];
    if (chunk === undefined) return onEnd();
    let open = peers.length;
    let isSettled = false;
    const done = () => {
      if (--open <= 0) this.#ask(chunks.slice(1), peers, onEnd);
    };
    if (open === 0) return done();
    for (const peer of peers) {
      askNames(this.#ring, peer, chunk, true, {
        onAnswer: ({ readySince }) => {
          const wasThere = readySince !== 0 && readySince <= this.#awaySince;
          if (wasThere && !isSettled) {
            // The replica gives this node whatever of it still counts, like any new one.
            isSettled = true;
            for (const record of chunk.records) this.#store.remove(record);
            this.#onResult(chunk.records, false);
          }
          done();
        },
        onFail: done,
      });
    }
  }
}
