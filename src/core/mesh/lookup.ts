import { distance, isWithin } from "./circle.ts";
import type { NextAnswer } from "./frame.ts";
import type { Peer } from "./peer.ts";
import type { RingContext } from "./ring_context.ts";
import { ownRoute, routeTo, routeToPredecessor, withNeighbours } from "./routing.ts";
import type { Timer } from "./timers.ts";

/** Most queries of a lookup that are open at a time. */
const MAX_OPEN = 3;

export const LOOKUP_MS = 3000;

/** A probe that was led back to where it began so often has found the own ring. */
const MOST_HOME = 3;

/** A lookup that knows nobody to ask waits this long for the ring to change. */
const AGAIN_MS = 250;

export interface Found {
  /** The owner and its successors. */
  readonly nodes: readonly Peer[];
  /** Where the owner's range begins, where that is known. */
  readonly after: bigint | null;
  /** How many nodes were asked, one after the other. */
  readonly hops: number;
}

export interface LookupOptions {
  /** Nodes that are asked first, in place of what this node knows. */
  readonly start?: readonly Peer[];
  /** True to find members of any ring beside the own one: then the node itself is passed by. */
  readonly isProbe?: boolean;
}

/** Finds the owner of a position, at once where this node knows it. `onEnd` gets null for a failure. */
export function findOwner(
  ring: RingContext,
  position: bigint,
  onEnd: (found: Found | null) => void,
): void {
  const route = ownRoute(ring, position);
  if (route === null) return void new Lookup(ring, position, {}, onEnd);
  ring.counts.hops.add(0);
  onEnd({ nodes: route.nodes, after: route.after, hops: 0 });
}

interface Candidate {
  readonly peer: Peer;
  readonly far: bigint;
  readonly hop: number;
}

/** Finds the owner of a position, one node after the other. */
export class Lookup {
  readonly #ring: RingContext;
  readonly #position: bigint;
  readonly #isProbe: boolean;
  readonly #onEnd: (found: Found | null) => void;
  readonly #asked = new Set<Peer>();
  readonly #deadline: Timer;
  readonly #most: number;
  /** Peers that may be asked, with the number of the hop. */
  readonly #candidates: Candidate[] = [];
  /** Distance of the nearest node that has answered. */
  #reached: bigint | null = null;
  #open = 0;
  #again: Timer | null = null;
  #isOver = false;
  /** How many answers to a probe had none nearer than the own neighbours. */
  #home = 0;
  /** A node that knows nobody else and answers for itself: it may be as new as this one. */
  #alone: Found | null = null;

  constructor(
    ring: RingContext,
    position: bigint,
    { start, isProbe = false }: LookupOptions,
    onEnd: (found: Found | null) => void,
  ) {
    this.#ring = ring;
    this.#position = position;
    this.#isProbe = isProbe;
    this.#onEnd = onEnd;
    this.#most = 2 * Math.ceil(Math.log2(ring.estimateNodes() + 1)) + 8;
    this.#deadline = ring.timers.at(ring.now + LOOKUP_MS, () => this.#end(this.#alone));
    if (start === undefined) this.#begin();
    else {
      for (const peer of start) this.#add(peer, 1);
      this.#ask();
    }
  }

  #begin(): void {
    const route = routeToPredecessor(this.#ring, this.#position) ??
      routeTo(this.#ring, this.#position, false);
    if (route.isDone && route.nodes.length > 0) {
      return this.#end({ nodes: route.nodes, after: route.after, hops: 0 });
    }
    for (const peer of route.nodes) this.#add(peer, 1);
    this.#ask();
  }

  #add(peer: Peer, hop: number): void {
    if (peer === this.#ring.self || this.#asked.has(peer)) return;
    // Neighbours are of the own ring: they tell of no other.
    if (this.#isProbe && hop > 1 && this.#ring.isPinned(peer)) return;
    if (this.#candidates.some((other) => other.peer === peer)) return;
    const far = distance(peer.position, this.#position);
    this.#candidates.push({ peer, far, hop });
  }

  /**
   * Takes the candidate that is to be asked next. Peers that are asked where there is nobody else come
   * behind those that lead on, but before those that are farther than one that has answered.
   */
  #takeCandidate(): Candidate | undefined {
    const { now } = this.#ring;
    const all = this.#candidates;
    let best = 0;
    let bestRank = Infinity;
    for (const [at, { peer, far }] of all.entries()) {
      const isAhead = this.#reached === null || far < this.#reached;
      const rank = (isAhead ? 0 : 2) + (peer.isLast(now) ? 1 : 0);
      if (rank > bestRank || (rank === bestRank && far >= all[best]!.far)) continue;
      [best, bestRank] = [at, rank];
    }
    return all.splice(best, 1)[0];
  }

  /** Asks the next candidate. */
  #ask(): void {
    if (this.#isOver) return;
    const { now } = this.#ring;
    while (this.#asked.size < this.#most) {
      const candidate = this.#takeCandidate();
      if (candidate === undefined) break;
      const { peer, hop } = candidate;
      // The first ones were named by the caller, who wants to know.
      if (peer.isDead(now) && !(this.#isProbe && hop === 1)) continue;
      return this.#query(peer, hop);
    }
    if (this.#open > 0) return;
    if (this.#isProbe || this.#asked.size >= this.#most) return this.#end(this.#alone);
    this.#again ??= this.#ring.timers.at(now + AGAIN_MS, () => {
      this.#again = null;
      this.#asked.clear();
      this.#reached = null;
      this.#begin();
    });
  }

  #query(peer: Peer, hop: number): void {
    this.#asked.add(peer);
    this.#open++;
    let isSlow = false;
    const body = { type: "next", position: this.#position, isProbe: this.#isProbe } as const;
    this.#ring.calls.call<"next">(peer, body, {
      onAnswer: (answer) => {
        this.#open--;
        if (!this.#isOver) this.#take(peer, hop, answer);
      },
      onFail: () => {
        this.#open--;
        if (!isSlow) this.#ask();
        else if (this.#open === 0) this.#ask();
      },
      onSlow: () => {
        isSlow = true;
        if (this.#open < MAX_OPEN) this.#ask();
      },
    });
  }

  #take(peer: Peer, hop: number, answer: NextAnswer): void {
    const nodes = this.#ring.learnAll(answer.nodes);
    if (answer.isDone && nodes.length > 0) {
      const [owner] = nodes;
      const isOwn = owner === peer;
      if (this.#isProbe && isOwn && nodes.length === 1) {
        this.#alone = { nodes, after: answer.after, hops: hop };
        return this.#ask();
      }
      if (isOwn || isWithin(peer.position, this.#position, owner!.position) || this.#isProbe) {
        const all = this.#isProbe ? nodes : withNeighbours(this.#ring, this.#position, nodes);
        return this.#end({ nodes: all, after: answer.after, hops: hop });
      }
    }
    if (this.#isProbe && this.#leadsHome(nodes) && ++this.#home === MOST_HOME) {
      return this.#end(this.#alone);
    }
    const far = distance(peer.position, this.#position);
    if (this.#reached === null || far < this.#reached) this.#reached = far;
    for (const next of nodes) {
      // An answer that leads away is a mistake or a lie.
      if (distance(next.position, this.#position) < far) this.#add(next, hop + 1);
    }
    this.#ask();
  }

  /** True if the nearest of some nodes is this one or a neighbour: those who know it are many. */
  #leadsHome(nodes: readonly Peer[]): boolean {
    let nearest: { peer: Peer; far: bigint } | null = null;
    for (const peer of nodes) {
      const far = distance(peer.position, this.#position);
      if (nearest === null || far < nearest.far) nearest = { peer, far };
    }
    if (nearest === null) return false;
    return nearest.peer === this.#ring.self || this.#ring.isPinned(nearest.peer);
  }

  #end(found: Found | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ring.timers.cancel(this.#deadline);
    this.#ring.timers.cancel(this.#again);
    if (found !== null && !this.#isProbe) this.#ring.counts.hops.add(found.hops);
    this.#onEnd(found);
  }
}
