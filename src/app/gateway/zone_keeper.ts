import { ProtocolError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import type { MeshStore } from "../../contract/mesh_store.ts";
import type { MaybePromise } from "../../contract/stream.ts";
import { answerQuery, failedAnswer, type Way } from "../../core/dns/server/answer.ts";
import { askedName } from "../../core/dns/server/query.ts";
import type { Zone } from "../../core/dns/server/zone.ts";
import { decodeZoneMember, encodeZoneMember } from "../../core/gateway/zone_member.ts";
import {
  type Challenge,
  gatewayZone,
  isChallengeName,
  type ZoneMember,
} from "../../core/gateway/zone_records.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";
import { sleep } from "../loop/sleep.ts";

/** Prefix of the ring's keys in which nodes tell what the zone has of them. */
const MEMBERS = "node/dns/";

/** Prefix of the core's keys of challenges: the label of the name, then a part of its own. */
export const TEXTS = "txt/";

/** Milliseconds between looks, of which a record outlives three. */
const LOOK_MS = 20_000;
const TTL_MS = 70_000;

/**
 * Milliseconds for which challenges are taken for what they were when the core was asked last, and for
 * which a core that did not tell them is not asked again: anybody may ask for them, as often as they like.
 */
export const CHALLENGES_MS = 1_000;

/** Milliseconds in which the core has to tell them: resolvers ask again after some five seconds. */
const ASK_MS = 3_000;
const MOST_CHALLENGES = 1000;

const DAY_MS = 86_400_000;

export interface ZoneKeeperOptions {
  readonly store: MeshStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly self: NodeKey;
  /** The part of this node in the zone. */
  readonly member: ZoneMember;
  readonly zone: string;
  /** The zone is the apex of published services; if not, it has challenges alone. */
  readonly isApex: boolean;
}

/** Keeps the zone as the cluster's nodes and challenges have it, and answers questions from it. */
export class ZoneKeeper {
  readonly #o: ZoneKeeperOptions;
  #members: readonly ZoneMember[];
  #challenges: readonly Challenge[] = [];
  #challengesAt = -Infinity;
  #failedAt = -Infinity;
  #asking: Promise<void> | null = null;
  #zone: Zone;

  constructor(o: ZoneKeeperOptions) {
    this.#o = o;
    this.#members = [o.member];
    this.#zone = this.#made();
  }

  /** Tells the others of this node and learns of them, until the signal aborts. @throws its reason */
  async run(signal: AbortSignal): Promise<never> {
    const { clock, log } = this.#o;
    for (;;) {
      try {
        await this.#look(signal);
      } catch (error) {
        signal.throwIfAborted();
        log.debug("Cannot look for the zone's nodes now", { why: String(error) });
      }
      // A new node finds the others sooner.
      await sleep(clock, this.#members.length < 2 ? LOOK_MS / 10 : LOOK_MS, signal);
    }
  }

  /** Answers a message of a stranger; null = it deserves no answer. Never throws or rejects. */
  answer(query: Uint8Array, way: Way, signal: AbortSignal): MaybePromise<Uint8Array | null> {
    const { zone, clock } = this.#o;
    const name = askedName(query);
    const isFresh = clock.now() - this.#challengesAt < CHALLENGES_MS;
    if (name === null || isFresh || !isChallengeName(name, zone)) {
      return answerQuery(query, this.#zone, way);
    }
    if (clock.now() - this.#failedAt < CHALLENGES_MS) return failedAnswer(query);
    this.#asking ??= this.#askForChallenges(signal).finally(() => this.#asking = null);
    return this.#asking.then(
      () => answerQuery(query, this.#zone, way),
      () => failedAnswer(query), // to say that there is none would be kept, and may be wrong
    );
  }

  async #askForChallenges(signal: AbortSignal): Promise<void> {
    try {
      await this.#readChallenges(signal);
    } catch (error) {
      this.#failedAt = this.#o.clock.now();
      throw error;
    }
  }

  async #readChallenges(signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#o;
    const late = new AbortController();
    using _limit = clock.after(ASK_MS, () => late.abort(new Error("the core is late")));
    const since = clock.now();
    const call = { signal: AbortSignal.any([signal, late.signal]), limit: MOST_CHALLENGES };
    const { entries } = await store.list(TEXTS, call);
    const text = new TextDecoder();
    this.#challenges = entries.flatMap(({ key, value }) => {
      const [, label] = /^txt\/([a-z0-9_.-]+)\/[^/]+$/.exec(key) ?? [];
      return label === undefined || value.length > 255 ? [] : [{ label, text: text.decode(value) }];
    });
    this.#challengesAt = since;
    this.#zone = this.#made();
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { store, self, member } = this.#o;
    await store.put(MEMBERS + self, encodeZoneMember(member), { signal, ttlMs: TTL_MS });
    const { entries } = await store.list(MEMBERS, { signal, limit: 1000 });
    const others = entries.filter(({ key }) => key !== MEMBERS + self);
    this.#members = [member, ...others.flatMap(({ value }) => readMember(value) ?? [])];
    this.#zone = this.#made();
  }

  #made(): Zone {
    const { zone, isApex, now } = this.#o;
    const day = Math.floor(now() / DAY_MS);
    return gatewayZone({
      ...{ zone, isApex, day },
      members: this.#members,
      challenges: this.#challenges,
    });
  }
}

function readMember(value: Uint8Array): ZoneMember | null {
  try {
    return decodeZoneMember(value);
  } catch (error) {
    if (error instanceof ProtocolError) return null; // of a later version
    throw error;
  }
}
