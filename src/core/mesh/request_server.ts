import { isWithin } from "./circle.ts";
import { recordsOf } from "./comparison.ts";
import type { AnswerBody, FailureCode, GetAnswer, GetRequest, Request } from "./frame.ts";
import type { KeptRange } from "./kept_range.ts";
import type { Membership } from "./membership.ts";
import type { Peer } from "./peer.ts";
import { type MeshRecord, sizeOf } from "./record.ts";
import type { Records } from "./records.ts";
import type { Repair } from "./repair.ts";
import { MAX_BATCH } from "./ring_disk.ts";
import type { RingContext } from "./ring_context.ts";
import { nextAnswer, routeTo } from "./routing.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** Most bytes of records in the answer to a `get`; one record is always sent. */
const GET_BYTES = 128 * 1024;
const MAX_GET_RECORDS = 1000;

/** Most requests that are relayed for others at a time. */
const MAX_RELAYS = 256;

/** Where the answer to a request goes. */
export interface Replier {
  answer(body: AnswerBody): void;
  fail(code: FailureCode, words: string): void;
}

const WORDS: Record<FailureCode, string> = {
  left: "No such node is here",
  busy: "Too many requests are open",
  limit: "The bucket, the node or its disk is full",
  skew: "The record's time is too far ahead of this node's clock",
  denied: "The record is not its writer's to write",
  unavailable: "No answer was found",
  unsupported: "No such request is known here",
};

/** Answers the requests of other nodes, and the own ones where the node is a replica itself. */
export class RequestServer {
  readonly #ring: RingContext;
  #relays = 0;
  readonly #membership: Membership;
  readonly #records: Records;
  readonly #repair: Repair;
  readonly #subscriptions: Subscriptions;
  readonly #kept: KeptRange;

  constructor(
    ring: RingContext,
    o: {
      membership: Membership;
      records: Records;
      repair: Repair;
      subscriptions: Subscriptions;
      kept: KeptRange;
    },
  ) {
    this.#ring = ring;
    this.#membership = o.membership;
    this.#records = o.records;
    this.#repair = o.repair;
    this.#subscriptions = o.subscriptions;
    this.#kept = o.kept;
  }

  /** `from`: undefined where nothing is known of the node but its key. */
  serve(from: Peer | undefined, request: Request, { answer, fail }: Replier): void {
    const ring = this.#ring;
    const refuse = (code: FailureCode) => fail(code, WORDS[code]);
    switch (request.type) {
      case "ping":
        return request.target === ring.self.key ? answer({ to: "ping" }) : refuse("left");
      case "stab":
        return answer(this.#membership.onStab(request, from));
      case "next":
        return answer(nextAnswer(routeTo(ring, request.position, request.isProbe)));
      case "relay": {
        const to = ring.peers.get(request.to);
        const isBusy = this.#relays >= MAX_RELAYS;
        if (to === undefined || to === ring.self || isBusy) return refuse("busy");
        this.#relays++;
        return ring.calls.call(to, request.frame as never, {
          onAnswer: (_, frame) => {
            this.#relays--;
            answer({ to: "relay", frame });
          },
          onFail: () => {
            this.#relays--;
            refuse("busy");
          },
        }, { isRelay: true });
      }
      case "put": {
        const better = request.isOwner ? this.#betterOwner(request.record) : null;
        return this.#records.write(request.record, (code, newer) => {
          if (code !== null) refuse(code);
          else answer({ to: "put", better: better?.descriptor ?? null, newer });
        });
      }
      case "get": {
        const found = this.#get(request);
        const isMiss = found.records.length === 0;
        const position = this.#records.store.positionOf(request.bucket);
        if (isMiss && !this.#kept.hasAll(position)) return refuse("unavailable");
        return answer(found);
      }
      case "digest":
        return answer(this.#repair.onDigest(from, request));
      case "names":
        return this.#repair.onNames(from, request, answer);
      case "push":
        return this.#records.take(request.records, (isGood, refused) => {
          if (isGood) answer({ to: "push", refused: refused.slice(0, MAX_BATCH) });
          else refuse("limit");
        });
      case "sub":
        return answer(this.#subscriptions.onSub(from, request));
      case "core":
        if (!ring.self.descriptor.roles.includes("core") || from === undefined) {
          return refuse("unsupported");
        }
        ring.steps.push({
          type: "core",
          from: from.key,
          request: request.request,
          body: request.body,
        });
        return;
      default:
        return request satisfies never;
    }
  }

  #betterOwner({ bucket }: MeshRecord): Peer | null {
    const { pred, self, now } = this.#ring;
    if (pred === null || pred.isDead(now)) return null;
    const position = this.#records.store.positionOf(bucket);
    return isWithin(pred.position, position, self.position) ? null : pred;
  }

  #get({ bucket, child, prefix, after, limit }: GetRequest): GetAnswer {
    const held = this.#records.store.bucket(bucket);
    if (held === undefined) return { to: "get", records: [], hasMore: false };
    if (child !== null) {
      const record = held.records.get(child)?.record;
      return { to: "get", records: record === undefined ? [] : [record], hasMore: false };
    }
    const records: MeshRecord[] = [];
    let bytes = 0;
    for (const record of recordsOf([held])) {
      if (!record.child.startsWith(prefix) || (after !== null && record.child <= after)) continue;
      bytes += sizeOf(record);
      const isFull = records.length >= Math.min(limit, MAX_GET_RECORDS) ||
        (records.length > 0 && bytes > GET_BYTES);
      if (isFull) return { to: "get", records, hasMore: true };
      records.push(record);
    }
    return { to: "get", records, hasMore: false };
  }
}
