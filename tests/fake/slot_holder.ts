import type { SlotHolder } from "../../src/app/link/exclusive_slot.ts";
import type { FakeClock } from "./clock.ts";

/** Where tenants are: one place, or many. */
interface Home {
  claim(holder: SlotHolder, signal: AbortSignal): Promise<boolean>;
  release(holder: SlotHolder): void;
}

/** Properties of a slot holder that a test may set. */
export type Traits = Partial<
  Pick<FakeHolder, "alive" | "gone" | "key" | "instance" | "identity" | "canBeRefused" | "address">
>;

/** Somebody whose life the test decides on. */
export class FakeHolder implements SlotHolder {
  signs = 0;
  asked = 0;
  evicted = 0;
  gone = false;
  /** Answers when asked for life. */
  alive = false;
  key = "";
  instance: string | undefined;
  identity: string | undefined;
  canBeRefused = false;
  address = "";
  readonly #home: Pick<Home, "release">;

  constructor(home: Pick<Home, "release">, traits: Traits = {}) {
    this.#home = home;
    Object.assign(this, traits);
  }

  activity(): number {
    return this.signs;
  }
  probe(): void {
    this.asked++;
    if (this.alive) this.signs++;
  }
  isGone(): boolean {
    return this.gone;
  }
  evict(): void {
    this.evicted++;
    this.#home.release(this);
  }
}

/** How a claim was answered, and when; `granted` is null before. */
export interface Answer {
  granted: boolean | null;
  at: number;
}

/** Claims a place, and notes the answer when it comes. */
export function claimAt(home: Home, clock: FakeClock, by: SlotHolder, signal: AbortSignal): Answer {
  const answer: Answer = { granted: null, at: NaN };
  home.claim(by, signal).then((granted) => Object.assign(answer, { granted, at: clock.now() }));
  return answer;
}
