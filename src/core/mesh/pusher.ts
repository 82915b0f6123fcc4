import type { Peer } from "./peer.ts";
import { joinKey, type MeshRecord, replaces, sizeOf } from "./record.ts";
import { MAX_BATCH } from "./ring_disk.ts";
import type { RingContext } from "./ring_context.ts";

const BATCH_BYTES = 256 * 1024;

/** Most that goes to one peer, in bytes per millisecond. */
const RATE = 4 * 1024 * 1024 / 1000;

interface Waiting {
  record: MeshRecord;
  readonly onEnds: ((isGood: boolean) => void)[];
}

interface Queue {
  readonly records: Map<string, Waiting>;
  isSending: boolean;
}

/** Sends records to peers in batches, one after the other for each, at a bounded rate. */
export class Pusher {
  /** Bytes that were sent, for the metrics. */
  bytes = 0;
  readonly #ring: RingContext;
  readonly #queues = new Map<Peer, Queue>();

  constructor(ring: RingContext) {
    this.#ring = ring;
  }

  /** Calls `onEnd` once, when the peer has stored all of the records or does not take them. */
  push(peer: Peer, records: readonly MeshRecord[], onEnd: (isGood: boolean) => void): void {
    if (records.length === 0) return onEnd(true);
    let left = records.length;
    let isGood = true;
    const onOne = (isStored: boolean) => {
      isGood &&= isStored;
      if (--left === 0) onEnd(isGood);
    };
    let queue = this.#queues.get(peer);
    if (queue === undefined) {
      queue = { records: new Map(), isSending: false };
      this.#queues.set(peer, queue);
    }
    for (const record of records) {
      const waiting = queue.records.get(joinKey(record));
      if (waiting === undefined) queue.records.set(joinKey(record), { record, onEnds: [onOne] });
      else {
        if (replaces(record, waiting.record)) waiting.record = record;
        waiting.onEnds.push(onOne);
      }
    }
    this.#send(peer, queue);
  }

  #send(peer: Peer, queue: Queue): void {
    if (queue.isSending) return;
    const batch: Waiting[] = [];
    let bytes = 0;
    for (const [key, waiting] of queue.records) {
      const size = sizeOf(waiting.record);
      if (batch.length === MAX_BATCH || (bytes > 0 && bytes + size > BATCH_BYTES)) break;
      batch.push(waiting);
      bytes += size;
      queue.records.delete(key);
    }
    if (batch.length === 0) {
      this.#queues.delete(peer);
      return;
    }
    queue.isSending = true;
    this.bytes += bytes;
    const sentAt = this.#ring.now;
    const end = (isStored: (index: number) => boolean) => {
      for (const [index, { onEnds }] of batch.entries()) {
        for (const onEnd of onEnds) onEnd(isStored(index));
      }
    };
    const records = batch.map(({ record }) => record);
    this.#ring.calls.call<"push">(peer, { type: "push", records }, {
      onAnswer: ({ refused }) => {
        const wait = sentAt + bytes / RATE - this.#ring.now;
        const goOn = () => {
          queue.isSending = false;
          this.#send(peer, queue);
        };
        end((index) => !refused.includes(index));
        if (wait > 0) this.#ring.timers.at(this.#ring.now + wait, goOn);
        else goOn();
      },
      onFail: () => {
        this.#queues.delete(peer);
        end(() => false);
        for (const { onEnds } of queue.records.values()) for (const onEnd of onEnds) onEnd(false);
      },
    });
  }
}
