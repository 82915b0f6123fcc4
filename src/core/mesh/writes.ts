import type { FailureCode, PutAnswer } from "./frame.ts";
import { msOfHlc } from "./hybrid_clock.ts";
import { findOwner } from "./lookup.ts";
import type { Peer } from "./peer.ts";
import type { MeshRecord } from "./record.ts";
import { COPIES, countHosts, onDistinctHosts } from "./replicas.ts";
import type { RingContext } from "./ring_context.ts";
import type { Timer } from "./timers.ts";
import type { RingFailure } from "./steps.ts";

/** A write that has no answer after so long has failed, and may be found later. */
const WRITE_MS = 5000;

/** A write that found too few replicas looks for the owner again after so long. */
const AGAIN_MS = 300;

/** Sends a request to a node, which may be this one. */
export type AskPut = (
  peer: Peer,
  body: { type: "put"; record: MeshRecord; isOwner: boolean },
  events: {
    onAnswer(answer: PutAnswer): void;
    onFail(code: FailureCode | null): void;
    onSlow?(): void;
  },
  /** Nobody waits for the answer. */
  isPatient?: boolean,
) => void;

/** `newer`: the highest stamp of versions that replicas have and that this one does not replace, or 0. */
export type Outcome = { readonly copies: number; readonly newer: bigint } | RingFailure;

/** Copies that a write waits for, by the nodes that are there for it. */
export function copiesWanted(
  ring: RingContext,
  record: MeshRecord,
  nodes: readonly Peer[],
): number {
  const hosts = countHosts(nodes);
  if (record.class === "soft") return Math.min(2, hosts);
  const others = ring.peers.all();
  const isOther = (peer: Peer) => peer.host !== ring.self.host && !peer.hasLeft;
  const knowsOthers = others.length === 0 ? ring.hasSeeds : others.some(isOther);
  return Math.max(Math.min(COPIES, hosts), knowsOthers ? 2 : 1);
}

/** Writes one version of a record to its replicas, or to stand-ins for those that are silent. */
export class Write {
  readonly #ring: RingContext;
  readonly #record: MeshRecord;
  readonly #position: bigint;
  readonly #ask: AskPut;
  readonly #onEnd: (result: Outcome) => void;
  /** Hosts that have the version. */
  readonly #holders = new Set<string>();
  #asked = new Set<Peer>();
  #nodes: readonly Peer[] = [];
  #wanted = COPIES;
  #open = 0;
  #newer = 0n;
  #refusal: FailureCode | null = null;
  #isSent = false;
  #isOver = false;
  #isWaiting = false;
  readonly #deadline: Timer;

  constructor(
    ring: RingContext,
    record: MeshRecord,
    position: bigint,
    ask: AskPut,
    onEnd: (result: Outcome) => void,
  ) {
    this.#ring = ring;
    this.#record = record;
    this.#position = position;
    this.#ask = ask;
    this.#onEnd = onEnd;
    this.#deadline = ring.timers.at(ring.now + WRITE_MS, () => this.#fail());
    this.#begin();
  }

  #begin(): void {
    findOwner(this.#ring, this.#position, (found) => {
      if (this.#isOver) return;
      if (found === null) return this.#again();
      this.#asked = new Set();
      this.#nodes = found.nodes;
      this.#wanted = copiesWanted(this.#ring, this.#record, found.nodes);
      const [owner] = found.nodes;
      const replicas = onDistinctHosts(this.#usable(), COPIES);
      const isSoft = this.#record.class === "soft";
      const waited = isSoft ? this.#waitedFor(replicas) : replicas;
      for (const peer of replicas) {
        const send = () => this.#send(peer, peer === owner, !waited.includes(peer));
        // Others are on their way for longer than the own copy takes, if no disk is waited for.
        if (isSoft && peer === this.#ring.self && replicas.length > 1) this.#ring.behind.push(send);
        else send();
      }
      if (this.#open === 0) this.#again();
    });
  }

  /**
   * Returns the replicas whose answers end a soft write soonest: the own copy, and the nearest ones. Of
   * those that are as near it is the next one on the circle, the same for all records that this node
   * has: what is busy anyway answers soonest, and another node's next one is another.
   */
  #waitedFor(replicas: readonly Peer[]): readonly Peer[] {
    const { self } = this.#ring;
    const far = (peer: Peer) => peer === self ? -1 : peer.srtt === 0 ? Infinity : peer.srtt | 0;
    const own = Math.max(0, replicas.indexOf(self));
    const turned = [...replicas.slice(own), ...replicas.slice(0, own)];
    return turned.sort((a, b) => far(a) < far(b) ? -1 : far(a) > far(b) ? 1 : 0)
      .slice(0, this.#wanted);
  }

  #usable(): Peer[] {
    const { now } = this.#ring;
    const isUsable = (peer: Peer) => !peer.isDead(now) && peer.state !== "leaving";
    return this.#nodes.filter(isUsable);
  }

  #send(peer: Peer, isOwner: boolean, isPatient = false): void {
    this.#asked.add(peer);
    this.#open++;
    this.#isSent = true;
    this.#ask(peer, { type: "put", record: this.#record, isOwner }, {
      onAnswer: ({ better, newer }) => {
        this.#open--;
        if (newer > this.#newer) this.#newer = newer;
        this.#holders.add(peer.host);
        const other = better === null ? null : this.#ring.learn(better);
        if (other !== null && !this.#asked.has(other)) this.#send(other, false);
        this.#look();
      },
      onFail: (code) => {
        this.#open--;
        this.#refusal = code ?? this.#refusal;
        this.#sendNext();
      },
      onSlow: () => this.#sendNext(),
    }, isPatient);
  }

  /** Sends to one more node, on a host that has not been asked in vain or with success. */
  #sendNext(): void {
    if (this.#isOver) return;
    const next = this.#usable().find((peer) => {
      if (this.#asked.has(peer) || this.#holders.has(peer.host)) return false;
      return ![...this.#asked].some((other) =>
        other.host === peer.host && !other.isDead(this.#ring.now)
      );
    });
    if (next !== undefined) this.#send(next, false);
    else this.#look();
  }

  #look(): void {
    if (this.#isOver) return;
    if (this.#holders.size >= this.#wanted) {
      this.#finish();
      return this.#onEnd({ copies: this.#holders.size, newer: this.#newer });
    }
    if (this.#open > 0) return;
    // A stamp that is ahead, as after a restart, is taken a little later.
    const isAhead = msOfHlc(this.#record.version.hlc) > this.#ring.time;
    const isFinal = this.#refusal === "limit" || this.#refusal === "denied" ||
      (this.#refusal === "skew" && !isAhead);
    if (isFinal) this.#fail();
    else this.#again();
  }

  #again(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#ring.timers.at(this.#ring.now + AGAIN_MS, () => {
      this.#isWaiting = false;
      if (!this.#isOver) this.#begin();
    });
  }

  #fail(): void {
    if (this.#isOver) return;
    this.#finish();
    const reason = this.#refusal === "limit" || this.#refusal === "denied" ||
        this.#refusal === "skew"
      ? this.#refusal
      : "unavailable";
    const outcome = this.#isSent && (this.#holders.size > 0 || reason === "unavailable")
      ? "unknown"
      : "none";
    const words = `${this.#holders.size} of ${this.#wanted} hosts have the record`;
    this.#onEnd({ is: "failed", reason, outcome, words });
  }

  #finish(): void {
    this.#isOver = true;
    this.#ring.timers.cancel(this.#deadline);
  }
}
