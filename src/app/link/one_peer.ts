import { constantTimeEqual } from "../../base/bytes.ts";
import type { Clock } from "../../contract/host.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import type { TurnedAway } from "./config.ts";

const USED: TurnedAway = {
  code: CloseCode.notAllowed,
  words: "this ticket has been used already; ask for another",
};

const LATE: TurnedAway = {
  code: CloseCode.notAllowed,
  words: "this ticket is void: nobody has come with it in time; ask for another",
};

/** Lets in the first process that comes within so many milliseconds, and nobody else. */
export class OnePeer {
  readonly #clock: Pick<Clock, "now">;
  readonly #until: number;
  #instance: Uint8Array | null = null;

  constructor(clock: Pick<Clock, "now">, ms: number) {
    this.#clock = clock;
    this.#until = clock.now() + ms;
  }

  /** Somebody has come. */
  get isTaken(): boolean {
    return this.#instance !== null;
  }

  /** For `WireSecrets.guard`. */
  readonly guard = (instance: Uint8Array): TurnedAway | null => {
    if (this.#instance !== null) return constantTimeEqual(this.#instance, instance) ? null : USED;
    if (this.#clock.now() > this.#until) return LATE;
    this.#instance = instance.slice();
    return null;
  };
}
