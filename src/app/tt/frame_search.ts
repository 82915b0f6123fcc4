import { type FirstBytes, FirstFrameFinder } from "../../core/tt/first_frame.ts";
import { type StrangerBudget, StrangerTurn } from "../link/stranger_budget.ts";
import type { KeyCandidate, PortCandidates } from "./key_candidates.ts";

/** `later`: it is not known before `turn` has come. */
type Found = FirstBytes<KeyCandidate> | { readonly kind: "later" };

/**
 * The search for the key of a connection's first frame: those whose port it is are tried at once, all
 * others, of which strangers cost a try each, in their turn.
 */
export class FrameSearch implements Disposable {
  readonly turn: StrangerTurn;
  readonly #budget: StrangerBudget;
  readonly #fitting: FirstFrameFinder<KeyCandidate>;
  /** Null = there are none. */
  readonly #others: FirstFrameFinder<KeyCandidate> | null;

  constructor({ fitting, others }: PortCandidates, budget: StrangerBudget) {
    this.#budget = budget;
    this.turn = new StrangerTurn(budget);
    this.#fitting = new FirstFrameFinder(fitting);
    this.#others = others.length === 0 ? null : new FirstFrameFinder(others);
  }

  /** `bytes`: all of the connection so far, as `FirstFrameFinder.find` has them. */
  find(bytes: Uint8Array, have: number): Found {
    const first = this.#fitting.find(bytes, 0, have);
    const others = this.#others;
    if (first.kind === "frame" || others === null) return first;
    if (!this.turn.mayGoOn()) return { kind: "later" };
    const second = this.#budget.run(
      () => others.find(bytes, 0, have),
      ({ kind }) => kind !== "frame",
    );
    return second.kind === "none" ? first : second;
  }

  [Symbol.dispose](): void {
    this.turn[Symbol.dispose]();
  }
}
