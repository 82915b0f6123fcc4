import type { AgentFacts } from "../../core/mesh/admission/agent_certificate.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";

export interface KnownRoute {
  /** Milliseconds since 1970 at which it ends. */
  readonly expires: number;
  /** Visitors' TLS goes to the agent as it is. */
  readonly isPassthrough: boolean;
  readonly agent: Pick<AgentFacts, "agentId">;
}

/** Routes of one name, as they are known here. */
export class KnownRoutes {
  readonly #routes = new Map<NodeKey, KnownRoute>();
  #watch: { readonly stop: AbortController; readonly stopped: () => void } | null = null;
  /** Time of the clock at which the ring is asked again. */
  dueAt = 0;
  /** Time of the clock at which there was a route last. */
  heldAt: number;
  /** Time of the clock at which it was asked for last. */
  usedAt: number;

  constructor(now: number) {
    this.heldAt = this.usedAt = now;
  }

  get isEmpty(): boolean {
    return this.#routes.size === 0;
  }

  get isWatched(): boolean {
    return this.#watch !== null;
  }

  /** `now`: milliseconds since 1970. */
  nodes(now: number): NodeKey[] {
    return [...this.#routes].filter(([, { expires }]) => expires > now).map(([node]) => node);
  }

  /** Id of the agent; null = there is no route. */
  get agentId(): Uint8Array | null {
    const [route] = this.#routes.values();
    return route?.agent.agentId ?? null;
  }

  get isPassthrough(): boolean {
    return [...this.#routes.values()].some(({ isPassthrough }) => isPassthrough);
  }

  set(node: NodeKey, route: KnownRoute): void {
    this.#routes.set(node, route);
  }

  delete(node: NodeKey): void {
    this.#routes.delete(node);
  }

  clear(): void {
    this.#routes.clear();
  }

  /** Marks the name as watched, until the signal aborts. `stopped`: called then. */
  watch(stopped: () => void): AbortSignal {
    const stop = new AbortController();
    this.#watch = { stop, stopped };
    return stop.signal;
  }

  stopWatching(): void {
    const watch = this.#watch;
    this.#watch = null;
    watch?.stopped();
    watch?.stop.abort();
  }
}
