import { ServiceCounts } from "../../app/gateway/service_counts.ts";
import type { AgentStatus, GatewayLinkStatus } from "../../core/status/report.ts";

/** Gateways that are remembered while there is no link to them. */
const MOST_GATEWAYS = 8;

/** Facts about a running agent for its status: its links, its names, and their requests. */
export class AgentWatch {
  readonly #apex: string;
  readonly #gateways = new Map<string, GatewayLinkStatus>();
  readonly #refused = new Map<string, string>();
  readonly #counts = new Map<string, ServiceCounts>();

  constructor(apex: string) {
    this.#apex = apex;
  }

  /** Returns what counts the requests of a service, which goes on when its tunnel is replaced. */
  countsOf(name: string): ServiceCounts {
    const counts = this.#counts.get(name) ?? new ServiceCounts();
    this.#counts.set(name, counts);
    return counts;
  }

  linked(at: string): void {
    this.#set({ at, isUp: true });
  }

  /** There is no link for now. */
  notLinked(at: string, fault: string): void {
    this.#set({ at, isUp: false, fault });
  }

  /** A gateway has taken a name, or refused it with words. */
  named(name: string, fault: string | null): void {
    if (fault === null) this.#refused.delete(name);
    else this.#refused.set(name, fault);
  }

  /** `names`: of the services. `certificateEnds`, `now`: milliseconds since 1970. */
  describe(names: readonly string[], certificateEnds: number, now: number): AgentStatus {
    const gateways = [...this.#gateways.values()];
    const common = certificateEnds <= now
      ? "the agent's certificate has ended: enroll again"
      : gateways.some(({ isUp }) => isUp)
      ? null
      : `there is no link to a gateway: ${gateways[0]?.fault ?? "none was made yet"}`;
    const services = names.map((name) => {
      const { fault: own, ...counts } = this.countsOf(name).describe();
      const last = own === undefined ? null : `the service did not answer the last request: ${own}`;
      const fault = this.#refused.get(name) ?? common ?? last;
      return { name, ...counts, ...(fault !== null && { fault }) };
    });
    const seconds = Math.round(certificateEnds / 1000);
    return { apex: this.#apex, certificateEnds: seconds, gateways, services };
  }

  #set(link: GatewayLinkStatus): void {
    this.#gateways.set(link.at, link);
    for (const [at, { isUp }] of this.#gateways) {
      if (this.#gateways.size <= MOST_GATEWAYS) return;
      if (!isUp) this.#gateways.delete(at);
    }
  }
}
