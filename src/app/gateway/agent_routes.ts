import type { AgentLink } from "./agent_link.ts";

/** Links of agents by the names that they publish by way of this node. */
export class AgentRoutes {
  readonly #links = new Map<string, AgentLink[]>();
  #turn = 0;

  get names(): string[] {
    return [...this.#links.keys()].sort();
  }

  add(name: string, link: AgentLink): void {
    const links = this.#links.get(name) ?? [];
    if (!links.includes(link)) this.#links.set(name, [...links, link]);
  }

  remove(name: string, link: AgentLink): void {
    const left = (this.#links.get(name) ?? []).filter((one) => one !== link);
    if (left.length === 0) this.#links.delete(name);
    else this.#links.set(name, left);
  }

  /** The agent's link has ended. */
  removeAll(link: AgentLink): void {
    for (const name of this.names) this.remove(name, link);
  }

  has(name: string): boolean {
    return this.#links.has(name);
  }

  /** Returns links by turns, so that instances of an agent share the work; without those of `not`. */
  pick(name: string, not: ReadonlySet<AgentLink>): AgentLink | null {
    const links = (this.#links.get(name) ?? []).filter((link) => !not.has(link));
    return links[this.#turn++ % links.length] ?? null;
  }
}
