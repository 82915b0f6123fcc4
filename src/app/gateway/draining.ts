import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import { sleep } from "../loop/sleep.ts";
import { DRAIN_MS } from "./visitor.ts";

/** Milliseconds for all of it: ttun down waits no more than ten seconds. */
const LONGEST_MS = 7_000;

const LOOK_MS = 50;

const NEVER = new AbortController().signal;

export interface DrainingOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Has the agents go to other gateways. Never rejects. */
  readonly moveAgents: () => Promise<void>;
  /** Connections of visitors. */
  readonly visitors: () => number;
  /** Exchanges that are under way. */
  readonly open: () => number;
}

/** The end of a gateway that hurts nobody: its agents and visitors go elsewhere first. */
export class Draining {
  readonly #o: DrainingOptions;
  readonly #begun = new AbortController();
  #ending: Promise<void> | null = null;

  constructor(o: DrainingOptions) {
    this.#o = o;
  }

  /** Aborts when it begins: no visitor is taken any more. */
  get begun(): AbortSignal {
    return this.#begun.signal;
  }

  /** Resolves when nothing is under way any more, or it takes too long. Never rejects. */
  run(): Promise<void> {
    return this.#ending ??= this.#run();
  }

  async #run(): Promise<void> {
    const { clock, log, moveAgents, visitors, open } = this.#o;
    log.info("Agents and visitors go to other gateways");
    const end = clock.now() + LONGEST_MS;
    this.#begun.abort();
    const idle = visitors() === 0 ? 0 : 2 * DRAIN_MS;
    await Promise.all([moveAgents(), sleep(clock, idle, NEVER)]);
    while (open() > 0 && clock.now() < end) {
      await sleep(clock, LOOK_MS, NEVER);
    }
  }
}
