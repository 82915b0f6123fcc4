import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import {
  type CandidateFacts,
  CandidateSchedule,
  type CandidateStep,
} from "../../core/punch/candidate_schedule.ts";
import { howFailed } from "./punch.ts";

export interface CandidateRaceOptions {
  readonly candidates: readonly HostPort[];
  /** Connects from the port that the other end connects to. */
  readonly dialer: Dialer;
  /** When both ends begin, on the clock. */
  readonly startAt: number;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Connections live under it. */
  readonly signal: AbortSignal;
  /** Gives up what is under way; it aborts with `signal` too. */
  readonly cancel: AbortSignal;
  /** Takes each connection; it may be a wrong machine's. */
  readonly take: (stream: Connection) => void;
}

/** Connects to all candidates of a peer that does the same; resolves when there are no more tries. */
export function raceCandidates(o: CandidateRaceOptions): Promise<CandidateFacts> {
  return new Promise((resolve) => new CandidateRace(o, resolve).begin());
}

class CandidateRace {
  readonly #o: CandidateRaceOptions;
  readonly #resolve: (facts: CandidateFacts) => void;
  readonly #schedule: CandidateSchedule;
  readonly #attempts = new Map<number, AbortController>();
  #timer: Disposable | null = null;
  #registration: Disposable | null = null;
  #isOver = false;

  constructor(o: CandidateRaceOptions, resolve: (facts: CandidateFacts) => void) {
    this.#o = o;
    this.#resolve = resolve;
    const chance = () => o.rng(1)[0]! / 256;
    const { candidates: { length: count }, startAt } = o;
    this.#schedule = new CandidateSchedule({ count, startAt, chance });
  }

  begin(): void {
    this.#registration = onAbort(this.#o.cancel, () => this.#end());
    this.#wait();
  }

  #perform(steps: readonly CandidateStep[]): void {
    for (const step of steps) {
      if (this.#isOver) return;
      if (step.kind === "connect") this.#connect(step.index);
      else this.#end();
    }
    this.#wait();
  }

  #wait(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    if (this.#isOver) return;
    const { clock } = this.#o;
    this.#timer = clock.after(Math.max(0, this.#schedule.dueAt - clock.now()), () => {
      this.#timer = null;
      this.#perform(this.#schedule.tick(clock.now()));
    });
  }

  #connect(index: number): void {
    const { candidates, clock, dialer, signal, take } = this.#o;
    this.#giveUp(index);
    const attempt = new AbortController();
    this.#attempts.set(index, attempt);
    const isCurrent = () => this.#attempts.get(index) === attempt;
    dialer.start(candidates[index]!, { signal, cancel: attempt.signal }, {
      connected: (stream) => {
        if (isCurrent()) {
          this.#attempts.delete(index);
          this.#schedule.connected(index);
          this.#wait();
        }
        take(stream);
      },
      failed: (error) => {
        if (!isCurrent()) return; // it was given up
        this.#attempts.delete(index);
        this.#schedule.failed(index, howFailed(error), clock.now());
        this.#wait();
      },
    });
  }

  #giveUp(index: number): void {
    const attempt = this.#attempts.get(index);
    this.#attempts.delete(index);
    attempt?.abort(new TtunError("timeout", "Gave up: nothing has come from there"));
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#registration?.[Symbol.dispose]();
    for (const index of [...this.#attempts.keys()]) this.#giveUp(index);
    this.#resolve(this.#schedule.facts);
  }
}
