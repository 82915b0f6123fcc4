import { type FirstBytes, FirstFrameFinder } from "../../core/tt/first_frame.ts";
import { type StrangerBudget, StrangerTurn } from "../link/stranger_budget.ts";
import type { KeyCandidate, PortCandidates } from "./key_candidates.ts";

/** `later`: it is not known before `turn` has come. */
type Found = FirstBytes<KeyCandidate> | { readonly kind: "later" };

/**
 * The search for the key of a connection's first frame: one of those whose port it is is tried at
 * once, all others, of which strangers cost a try each, in their turn. Each look at more bytes takes
 * a turn, as sending them one by one would cost many.
 */
export class FrameSearch implements Disposable {
  readonly turn: StrangerTurn;
  readonly #first: FirstFrameFinder<KeyCandidate>;
  readonly #others: FirstFrameFinder<KeyCandidate>;
  /** The answer of the others to so many bytes. */
  #answer: FirstBytes<KeyCandidate>;
  #answered = 0;

  /** `group`: the address group that the connection comes from. */
  constructor({ first, others }: PortCandidates, budget: StrangerBudget, group: string) {
    this.turn = new StrangerTurn(budget, group);
    this.#first = new FirstFrameFinder(first);
    this.#others = new FirstFrameFinder(others);
    this.#answer = { kind: others.length === 0 ? "none" : "more" };
  }

  /** `bytes`: all of the connection so far, as `FirstFrameFinder.find` has them. */
  find(bytes: Uint8Array, have: number): Found {
    const first = this.#first.find(bytes, 0, have);
    if (first.kind === "frame") return first;
    if (this.#answer.kind !== "none" && this.#answered < have) {
      const look = () => {
        this.#answer = this.#others.find(bytes, 0, have);
      };
      if (!this.turn.run(look)) return { kind: "later" };
      this.#answered = have;
    }
    return this.#answer.kind === "none" ? first : this.#answer;
  }

  [Symbol.dispose](): void {
    this.turn[Symbol.dispose]();
  }
}
