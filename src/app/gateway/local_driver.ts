import type { ClientStep, ConnectionStep } from "../../core/http/exchange.ts";
import type { ClientEnd } from "./exchange_relay.ts";

/** Has a machine called that no connection carries, in the order in which a connection's would be. */
export class LocalDriver {
  readonly #onStep: (step: Exclude<ClientStep, ConnectionStep>) => void;
  readonly #failed: () => void;
  readonly #calls: (() => ClientStep[])[] = [];
  #isBusy = false;

  /** `failed`: the exchange is broken off. */
  constructor(
    onStep: (step: Exclude<ClientStep, ConnectionStep>) => void,
    failed: () => void,
  ) {
    this.#onStep = onStep;
    this.#failed = failed;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  readonly isBlocked = false;

  readonly call: ClientEnd["driver"]["call"] = (run) => {
    this.#calls.push(run);
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      for (let next = this.#calls.shift(); next !== undefined; next = this.#calls.shift()) {
        for (const step of next()) {
          if (step.kind === "write" || step.kind === "close" || step.kind === "closeWrite") {
            continue;
          }
          this.#onStep(step);
        }
      }
    } finally {
      this.#isBusy = false;
    }
  };

  fail(): void {
    this.#failed();
  }
}
