import { toHex } from "../../base/bytes.ts";
import type { Clock } from "../../contract/host.ts";
import type { AgentLink } from "./agent_link.ts";

/** Milliseconds for which a name whose link broke counts as one that may come again. */
const LATELY_MS = 15_000;

/** Names without a link that are remembered. */
const MOST_LOST = 10_000;

/** Links of agents by the names that they publish by way of this node. */
export class AgentRoutes {
  readonly #clock: Clock;
  readonly #links = new Map<string, AgentLink[]>();
  /** Names whose visitors' TLS goes to agents as it is. */
  readonly #passthrough = new Set<string>();
  /** Times until which names may come again. */
  readonly #lost = new Map<string, number>();
  readonly #waiting = new Map<string, Set<() => void>>();
  #turn = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `isPassthrough`: the agent ends its visitors' TLS itself; of several links the last word counts. */
  add(name: string, link: AgentLink, isPassthrough = false): void {
    if (isPassthrough) this.#passthrough.add(name);
    else this.#passthrough.delete(name);
    const links = this.#links.get(name) ?? [];
    this.#lost.delete(name);
    if (links.includes(link)) return;
    this.#links.set(name, [...links, link]);
    for (const run of [...this.#waiting.get(name) ?? []]) run();
  }

  /** `wasLost`: the link broke, so that its agent may make another one. */
  remove(name: string, link: AgentLink, wasLost = false): void {
    const left = (this.#links.get(name) ?? []).filter((one) => one !== link);
    if (left.length > 0) return void this.#links.set(name, left);
    this.#passthrough.delete(name);
    if (this.#links.delete(name) && wasLost) this.#noteLoss(name);
  }

  #noteLoss(name: string): void {
    this.#lost.delete(name);
    this.#lost.set(name, this.#clock.now() + LATELY_MS);
    if (this.#lost.size > MOST_LOST) this.#lost.delete(this.#lost.keys().next().value!);
  }

  /** How many names there are. */
  get count(): number {
    return this.#links.size;
  }

  has(name: string): boolean {
    return this.#links.has(name);
  }

  /** Returns the id of the name's agent, in hex; null = there is none. */
  agentOf(name: string): string | null {
    const [link] = this.#links.get(name) ?? [];
    return link === undefined ? null : toHex(link.facts.agentId);
  }

  /** Visitors' TLS goes to the name's agent as it is. */
  isPassthrough(name: string): boolean {
    return this.#passthrough.has(name);
  }

  /** The link publishes the name. */
  isOn(name: string, link: AgentLink): boolean {
    return this.#links.get(name)?.includes(link) === true;
  }

  /** The name's link broke a moment ago. */
  wasThere(name: string): boolean {
    return (this.#lost.get(name) ?? 0) > this.#clock.now();
  }

  /** Calls `run` whenever the name has another link, until it is disposed of. */
  onAdded(name: string, run: () => void): Disposable {
    const waiting = this.#waiting.get(name) ?? new Set();
    waiting.add(run);
    this.#waiting.set(name, waiting);
    return {
      [Symbol.dispose]: () => {
        waiting.delete(run);
        if (waiting.size === 0 && this.#waiting.get(name) === waiting) this.#waiting.delete(name);
      },
    };
  }

  /**
   * Returns the link on which one more request costs least, so that instances of an agent share the
   * work by their load and distance; those that are suspect last, and none of `not`.
   */
  pick(name: string, not: ReadonlySet<AgentLink>): AgentLink | null {
    const all = (this.#links.get(name) ?? []).filter((link) => !not.has(link));
    if (all.length <= 1) return all[0] ?? null;
    const answering = all.filter(({ isSuspect }) => !isSuspect);
    const links = answering.length > 0 ? answering : all;
    // Of links that cost the same each has its turn.
    const start = this.#turn++ % links.length;
    let best = links[start]!;
    let least = best.cost;
    for (let i = 1; i < links.length; i++) {
      const link = links[(start + i) % links.length]!;
      const { cost } = link;
      if (cost < least) [best, least] = [link, cost];
    }
    return best;
  }
}
