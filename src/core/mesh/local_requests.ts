import type { CallEvents, Unnumbered } from "./calls.ts";
import type { AnswerBody, Request } from "./frame.ts";
import { MAX_OFF_MS } from "./hybrid_clock.ts";
import { Lookup } from "./lookup.ts";
import { writerOf } from "./node_id.ts";
import type { Peer } from "./peer.ts";
import { Read, type ReadRequest } from "./reads.ts";
import {
  MAX_SOFT_TTL_MS,
  MAX_VALUE,
  type MeshRecord,
  MIN_SOFT_TTL_MS,
  type RecordClass,
  SOFT_TOMBSTONE_MS,
  splitKey,
} from "./record.ts";
import { type Records, TOMBSTONE_MS } from "./records.ts";
import type { RequestServer } from "./request_server.ts";
import type { RingContext } from "./ring_context.ts";
import type { Result, RingFailure } from "./steps.ts";
import { Write } from "./writes.ts";

/** A version that is behind another one is written again so often, each time behind what was found. */
const RESTAMPS = 2;

/** A write of the own process. */
export interface PutOptions {
  readonly key: string;
  readonly value: Uint8Array;
  readonly class: RecordClass;
  /** Needed for soft records: from 5 s to an hour. */
  readonly ttlMs?: number;
  /** The session of an agent; 0 where absent. */
  readonly epoch?: bigint;
}

/** A deletion; `ttlMs`: the longest that a soft record may have been written for, else an hour. */
export type DeleteOptions = Omit<PutOptions, "value">;

export interface GetOptions {
  readonly key: string;
  readonly isSoft: boolean;
}

export type ListOptions = Omit<ReadRequest, "child">;

type OnResult = (result: Result) => void;

/** Requests of the node's own process: it is the coordinator of their writes and reads. */
export class LocalRequests {
  readonly #ring: RingContext;
  readonly #records: Records;
  readonly #server: RequestServer;
  readonly #writer: bigint;
  /** Keys that were read softly a moment ago, and whose other replicas are asked soon. */
  readonly #mending = new Set<string>();

  constructor(ring: RingContext, records: Records, server: RequestServer) {
    this.#ring = ring;
    this.#records = records;
    this.#server = server;
    this.#writer = writerOf(ring.self.key);
  }

  put(o: PutOptions, onResult: OnResult): void {
    const isSoft = o.class === "soft";
    const ttl = o.ttlMs ?? 0;
    const isTtlGood = isSoft ? ttl >= MIN_SOFT_TTL_MS && ttl <= MAX_SOFT_TTL_MS : ttl >= 0;
    if (!isTtlGood) return onResult(failed("limit", "A soft record lives from 5 s to an hour"));
    if (o.value.length > MAX_VALUE) return onResult(failed("limit", "A value has 64 KiB at most"));
    const expiry = ttl === 0 ? 0 : Math.floor(this.#ring.time + ttl);
    this.#write(o, { value: o.value, expiry, isTombstone: false }, onResult);
  }

  delete(o: DeleteOptions, onResult: OnResult): void {
    const lasts = o.class === "soft"
      ? Math.min(o.ttlMs ?? MAX_SOFT_TTL_MS, MAX_SOFT_TTL_MS) + SOFT_TOMBSTONE_MS
      : TOMBSTONE_MS;
    const expiry = Math.floor(this.#ring.time + lasts);
    this.#write(o, { value: new Uint8Array(), expiry, isTombstone: true }, onResult);
  }

  get({ key, isSoft }: GetOptions, onResult: OnResult): void {
    const name = splitKey(key);
    if (name === null) return onResult(failed("denied", "That is no key"));
    this.#read({ ...name, prefix: "", after: null, limit: 1, isSoft }, onResult);
  }

  list(o: ListOptions, onResult: OnResult): void {
    this.#read({ ...o, child: null }, onResult);
  }

  lookup(position: bigint, onResult: OnResult): void {
    new Lookup(this.#ring, position, {}, (found) => {
      if (found === null) return onResult(failed("unavailable", "No owner was found"));
      const nodes = found.nodes.map(({ key }) => key);
      onResult({ is: "owner", nodes, hops: found.hops });
    });
  }

  #write(
    o: DeleteOptions,
    rest: Pick<MeshRecord, "value" | "expiry" | "isTombstone">,
    onResult: OnResult,
  ): void {
    const name = splitKey(o.key);
    if (name === null) return onResult(failed("denied", "That is no key"));
    const ring = this.#ring;
    if (ring.state === "leaving") return onResult(failed("closed", "The node leaves the ring"));
    const offset = o.class === "durable" ? ring.clockOffset() : 0;
    if (Math.abs(offset) > MAX_OFF_MS) {
      const seconds = Math.round(Math.abs(offset) / 1000);
      const way = offset > 0 ? "behind" : "ahead of";
      return onResult(failed("skew", `This node's clock is ${seconds} s ${way} the others'`));
    }
    this.#stampAndWrite({ ...name, ...rest, class: o.class }, o.epoch ?? 0n, RESTAMPS, onResult);
  }

  /**
   * Writes a record with a new stamp. Where a replica has a version with a later one, of a node whose
   * clock is ahead, the write gets another stamp behind that: a write that is acknowledged replaces all
   * that were acknowledged before it began.
   */
  #stampAndWrite(
    parts: Omit<MeshRecord, "version">,
    epoch: bigint,
    restamps: number,
    onResult: OnResult,
  ): void {
    const ring = this.#ring;
    this.#records.stamp((hlc) => {
      if (hlc === "limit") return onResult(failed(hlc, "The node's disk is full"));
      if (hlc === "skew") return onResult(failed(hlc, "This node's clock was ahead a while ago"));
      const version = { epoch, hlc, writer: this.#writer };
      const record: MeshRecord = { ...parts, version };
      const position = this.#records.store.positionOf(record.bucket);
      new Write(ring, record, position, this.#asker<"put">(), (result) => {
        if (!("copies" in result)) return onResult(result);
        const { copies, newer } = result;
        if (newer > 0n && restamps > 0 && this.#records.clock.observe(newer, ring.time)) {
          return this.#stampAndWrite(parts, epoch, restamps - 1, onResult);
        }
        onResult({ is: "written", version, copies });
      });
    });
  }

  #read(request: ReadRequest, onResult: OnResult): void {
    const position = this.#records.store.positionOf(request.bucket);
    const ask = { get: this.#asker<"get">(), put: this.#asker<"put">(), mending: this.#mending };
    new Read(this.#ring, request, position, ask, onResult);
  }

  /** Returns a function that asks other nodes by frames, and this one straight. */
  #asker<T extends "put" | "get">() {
    return (
      peer: Peer,
      body: Unnumbered<Extract<Request, { type: T }>>,
      events: CallEvents<Extract<AnswerBody, { to: T }>>,
      isPatient = false,
    ): void => {
      const ring = this.#ring;
      if (peer !== ring.self) return ring.calls.call<T>(peer, body, events, { isPatient });
      this.#server.serve(peer, { ...body, request: 0 } as unknown as Request, {
        answer: (answer) =>
          events.onAnswer(answer as Extract<AnswerBody, { to: T }>, {
            type: "answer",
            request: 0,
            state: ring.state,
            stamp: Math.floor(ring.wall),
            body: answer,
          }),
        fail: (code) => events.onFail(code),
      });
    };
  }
}

function failed(reason: RingFailure["reason"], words: string): RingFailure {
  return { is: "failed", reason, outcome: "none", words };
}
