/** Tries from a signal on, and milliseconds from one to the next. */
export const TRIES = 3;
export const TRY_MS = 2000;

/**
 * Milliseconds between the moments in a try at which a refused connect is made anew, those that are
 * added to each by chance, and how many of these moments a try has. Both ends have the same ones: a
 * NAT that answers a SYN with RST unless one of its own side is under way takes two that cross, and
 * chance makes up for the little by which the two ends' moments differ.
 */
const QUICK_MS = 40;
const CHANCE_MS = 3;
const QUICK_ATTEMPTS = 15;

export type CandidateStep =
  /** Connect to the candidate with this index; a connect to it that is under way is given up. */
  | { readonly kind: "connect"; readonly index: number }
  /** There are no more tries: connects under way are given up. */
  | { readonly kind: "over" };

/** How the connects of all candidates have ended. */
export interface CandidateFacts {
  /** How many have begun, with all candidates each. */
  readonly tries: number;
  readonly refused: number;
  /** Nothing came back. */
  readonly unanswered: number;
  /** Attempts that this machine has not sent at all. */
  readonly unsent: number;
}

interface Candidate {
  /** Time of the next connect; Infinity = one is under way, or it rests until the next try. */
  nextAt: number;
  /** Quick attempts left in this try. */
  quick: number;
  isRunning: boolean;
  isConnected: boolean;
}

/**
 * TCP hole punching to several addresses of a peer, some of which may be wrong: both ends connect to
 * all of them at the same moments. Times are milliseconds.
 */
export class CandidateSchedule {
  readonly #candidates: readonly Candidate[];
  readonly #chance: () => number;
  readonly #startAt: number;
  #tries = 0;
  #refused = 0;
  #unanswered = 0;
  #unsent = 0;
  #isOver = false;

  /** `chance`: between 0 and 1. */
  constructor({ count, startAt, chance }: {
    readonly count: number;
    readonly startAt: number;
    readonly chance: () => number;
  }) {
    this.#startAt = startAt;
    this.#chance = chance;
    this.#candidates = Array.from({ length: count }, () => ({
      nextAt: Infinity,
      quick: 0,
      isRunning: false,
      isConnected: false,
    }));
  }

  get facts(): CandidateFacts {
    const tries = Math.min(this.#tries, TRIES);
    return { tries, refused: this.#refused, unanswered: this.#unanswered, unsent: this.#unsent };
  }

  /** Time at which `tick` is to be called; Infinity = it is over. */
  get dueAt(): number {
    if (this.#isOver) return Infinity;
    return Math.min(this.#nextTryAt, ...this.#candidates.map(({ nextAt }) => nextAt));
  }

  tick(now: number): CandidateStep[] {
    if (this.#isOver) return [];
    if (now >= this.#nextTryAt) return this.#nextTry();
    return this.#connect((candidate) => now >= candidate.nextAt);
  }

  connected(index: number): void {
    const candidate = this.#candidates[index]!;
    candidate.isConnected = true;
    candidate.isRunning = false;
    candidate.nextAt = Infinity;
  }

  /** The connect under way has ended without a connection, and was not given up. */
  failed(index: number, how: "refused" | "unanswered" | "unsent", now: number): void {
    const candidate = this.#candidates[index]!;
    candidate.isRunning = false;
    if (how === "refused") this.#refused++;
    else if (how === "unsent") this.#unsent++;
    else this.#unanswered++;
    if (how !== "refused" || candidate.quick === 0) return;
    candidate.quick--;
    const tryAt = this.#nextTryAt - TRY_MS;
    const moments = Math.floor((now - tryAt) / QUICK_MS) + 1;
    candidate.nextAt = tryAt + moments * QUICK_MS + CHANCE_MS * this.#chance();
  }

  get #nextTryAt(): number {
    return this.#startAt + this.#tries * TRY_MS;
  }

  #nextTry(): CandidateStep[] {
    for (const candidate of this.#candidates) {
      if (candidate.isRunning) this.#unanswered++;
      candidate.quick = QUICK_ATTEMPTS;
    }
    if (this.#tries++ < TRIES) return this.#connect(({ isConnected }) => !isConnected);
    this.#isOver = true;
    return [{ kind: "over" }];
  }

  #connect(isDue: (candidate: Candidate) => boolean): CandidateStep[] {
    return this.#candidates.flatMap((candidate, index) => {
      if (!isDue(candidate)) return [];
      candidate.nextAt = Infinity;
      candidate.isRunning = true;
      return { kind: "connect" as const, index };
    });
  }
}
