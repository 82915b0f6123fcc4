import { toTtunError, type TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";

/** Milliseconds of silence until the next minute is tried; RFC 8305 section 5 has 250. */
export const STAGGER_MS = 300;

/** Longest such silence in milliseconds, for slow paths. */
const LONGEST_STAGGER_MS = 2000;

/** An answer may take as long as so many connects: a round trip, and work of the server. */
const ANSWER_CONNECTS = 3;

/** Longer silence after a request was sent: over another minute it could be delivered twice. */
const ASKED_STAGGER_MS = 1000;

export interface MinuteAttempt {
  readonly minute: number;
  /** Also aborts when another minute has been answered. */
  readonly signal: AbortSignal;
  readonly isAlone: boolean;
  /** The port has accepted. `isAsked`: the request is sent before there is an answer. */
  connected(isAsked: boolean): void;
  /** The server has proved this minute's key. False: another has won, so nothing may be sent. */
  answered(): boolean;
}

export interface Answer {
  readonly minute: number;
  /** The port accepted or refused without an answer. Silence and untried minutes prove nothing. */
  isDenied(minute: number): boolean;
}

export interface MinuteRaceOptions<T> {
  /** The likeliest first; at least one. */
  readonly minutes: readonly number[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Milliseconds of silence until the next minute is tried; see `staggerOf`. */
  readonly staggerMs: number;
  /** True: no other minute may be tried, since bytes were sent that must not be repeated. */
  readonly isSpent?: () => boolean;
  /** Tries a minute, calls `answered` before it returns, and gives up with the attempt's signal. */
  readonly run: (attempt: MinuteAttempt) => Promise<T>;
  /** Called once; the answered minute can still fail after that. Must not throw. */
  readonly onAnswer: (answer: Answer) => void;
  /** Takes a value that comes after the race has ended. */
  readonly discard: (value: T) => void;
}

/** `connectMs`: duration of the last connect on the path. */
export function staggerOf(connectMs: number): number {
  return Math.min(LONGEST_STAGGER_MS, Math.max(STAGGER_MS, 2 * connectMs));
}

/**
 * Tries a minute after a silence of the one before it, or at once if that fails. The first that is
 * answered wins, and its result or error is the race's.
 * @throws the most telling error if none is answered; at once errors of the kinds name and
 * internal, which would be the same for another minute; the signal's reason
 */
export function raceMinutes<T>(o: MinuteRaceOptions<T>): Promise<T> {
  return new Promise((resolve, reject) => new MinuteRace(o, resolve, reject).begin());
}

interface Referee {
  readonly isAlone: boolean;
  connected(attempt: Attempt, isAsked: boolean): void;
  answered(attempt: Attempt): boolean;
}

class Attempt implements MinuteAttempt {
  readonly minute: number;
  readonly startedAt: number;
  readonly #referee: Referee;
  readonly #own = new AbortController();
  isConnected = false;
  error: TtunError | null = null;

  constructor(minute: number, startedAt: number, referee: Referee) {
    this.minute = minute;
    this.startedAt = startedAt;
    this.#referee = referee;
  }

  get signal(): AbortSignal {
    return this.#own.signal;
  }

  get isAlone(): boolean {
    return this.#referee.isAlone;
  }

  connected(isAsked: boolean): void {
    this.isConnected = true;
    this.#referee.connected(this, isAsked);
  }

  answered(): boolean {
    return this.#referee.answered(this);
  }

  giveUp(reason: unknown): void {
    this.#own.abort(reason);
  }
}

class MinuteRace<T> implements Referee {
  readonly #o: MinuteRaceOptions<T>;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  readonly #waiting: number[];
  readonly #attempts: Attempt[] = [];
  readonly #running = new Set<Attempt>();
  #winner: Attempt | null = null;
  #timer: Disposable | null = null;
  #registration: Disposable | null = null;
  #isOver = false;

  constructor(
    o: MinuteRaceOptions<T>,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.#o = o;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#waiting = [...o.minutes];
  }

  begin(): void {
    this.#registration = onAbort(this.#o.signal, (reason) => this.#fail(reason));
    if (!this.#isOver) this.#next();
  }

  get isAlone(): boolean {
    return this.#attempts.length === 1;
  }

  connected(attempt: Attempt, isAsked: boolean): void {
    if (this.#winner !== null || !this.#running.has(attempt)) return;
    const { clock, staggerMs } = this.#o;
    const least = isAsked ? Math.max(ASKED_STAGGER_MS, staggerMs) : staggerMs;
    const ms = ANSWER_CONNECTS * (clock.now() - attempt.startedAt);
    this.#wait(Math.min(LONGEST_STAGGER_MS, Math.max(least, ms)));
  }

  answered(attempt: Attempt): boolean {
    if (this.#winner !== null || !this.#running.has(attempt)) return this.#winner === attempt;
    this.#winner = attempt;
    this.#stopTimer();
    this.#giveUp(new Error("Another minute's port has answered first"));
    this.#o.onAnswer({
      minute: attempt.minute,
      isDenied: (minute) => this.#attempts.some((one) => one.minute === minute && isDenial(one)),
    });
    return true;
  }

  #next(): void {
    this.#stopTimer();
    if (this.#o.isSpent?.() === true) this.#waiting.length = 0;
    const minute = this.#waiting.shift();
    if (minute === undefined) return;
    const attempt = new Attempt(minute, this.#o.clock.now(), this);
    this.#attempts.push(attempt);
    this.#running.add(attempt);
    this.#wait(this.#o.staggerMs);
    this.#o.run(attempt).then(
      (value) => this.#ended(value),
      (error) => this.#failed(attempt, error),
    );
  }

  #wait(ms: number): void {
    this.#stopTimer();
    if (this.#waiting.length > 0) this.#timer = this.#o.clock.after(ms, () => this.#next());
  }

  #stopTimer(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }

  /** Called for the winner only: others are given up before they have a value. */
  #ended(value: T): void {
    if (this.#isOver) return this.#o.discard(value);
    this.#end();
    this.#resolve(value);
  }

  #failed(attempt: Attempt, thrown: unknown): void {
    if (!this.#running.delete(attempt)) return;
    const error = attempt.error = toTtunError(thrown);
    if (attempt === this.#winner || error.kind === "internal" || error.kind === "name") {
      return this.#fail(thrown);
    }
    this.#next();
    if (this.#running.size === 0) this.#fail(this.#mostTelling());
  }

  /** Prefers an error from the other end to a time-out, and the likeliest minute's. */
  #mostTelling(): TtunError {
    const errors = this.#attempts.flatMap(({ error }) => error ?? []);
    return errors.find(({ kind }) => kind !== "timeout") ?? errors[0]!;
  }

  #fail(error: unknown): void {
    this.#end();
    this.#winner = null;
    this.#giveUp(error);
    this.#reject(error);
  }

  #end(): void {
    this.#isOver = true;
    this.#stopTimer();
    this.#registration?.[Symbol.dispose]();
  }

  #giveUp(reason: unknown): void {
    this.#waiting.length = 0;
    for (const attempt of this.#running) {
      if (attempt === this.#winner) continue;
      this.#running.delete(attempt);
      attempt.giveUp(reason);
    }
  }
}

function isDenial({ isConnected, error }: Attempt): boolean {
  return isConnected || (error !== null && error.kind !== "timeout");
}
