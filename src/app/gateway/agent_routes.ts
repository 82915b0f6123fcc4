import type { AgentLink } from "./agent_link.ts";

/** Links of agents by the names that they publish by way of this node. */
export class AgentRoutes {
  readonly #links = new Map<string, AgentLink[]>();
  #turn = 0;

  add(name: string, link: AgentLink): void {
    const links = this.#links.get(name) ?? [];
    if (!links.includes(link)) this.#links.set(name, [...links, link]);
  }

  remove(name: string, link: AgentLink): void {
    const left = (this.#links.get(name) ?? []).filter((one) => one !== link);
    if (left.length === 0) this.#links.delete(name);
    else this.#links.set(name, left);
  }

  /** How many names there are. */
  get count(): number {
    return this.#links.size;
  }

  has(name: string): boolean {
    return this.#links.has(name);
  }

  /** Returns links by turns, so that instances of an agent share the work; without those of `not`. */
  pick(name: string, not: ReadonlySet<AgentLink>): AgentLink | null {
    const all = (this.#links.get(name) ?? []).filter((link) => !not.has(link));
    const answering = all.filter(({ isSuspect }) => !isSuspect);
    const links = answering.length > 0 ? answering : all;
    return links[this.#turn++ % links.length] ?? null;
  }
}
