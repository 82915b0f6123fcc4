import { startClose } from "../../base/start_close.ts";
import { OPENED, Refusal } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { HTTP_SERVICE } from "../../core/gateway/agent_messages.ts";
import { readRawService } from "../../core/gateway/raw_service.ts";
import type { Relays } from "../net/relay.ts";
import type { AgentLink } from "./agent_link.ts";
import type { AgentRoutes } from "./agent_routes.ts";

export interface HopServiceOptions {
  readonly routes: AgentRoutes;
  readonly relays: Relays;
}

/** Passes exchanges of other nodes' visitors on to agents that are linked here, and no further. */
export class HopService {
  readonly #o: HopServiceOptions;
  #open = 0;

  constructor(o: HopServiceOptions) {
    this.#o = o;
  }

  /** Exchanges that are under way. */
  get open(): number {
    return this.#open;
  }

  has(service: string): boolean {
    const name = nameOf(service);
    return name !== null && this.#o.routes.has(name);
  }

  /**
   * Owns the stream, and answers it as the agent does: what the agent has not taken can go elsewhere.
   */
  serve(stream: MuxStream, service: string): void {
    const { routes, relays } = this.#o;
    const name = nameOf(service)!;
    const tried = new Set<AgentLink>();
    const refuse = () => stream.answer(Refusal.notSupported, null);
    for (;;) {
      const link = routes.pick(name, tried);
      if (link === null) return refuse();
      tried.add(link);
      try {
        const agent = link.openService(service, {
          opened: () => {
            waiting[Symbol.dispose]();
            // It has come late, on a link that its agent has replaced and is about to end.
            if (routes.isOn(name, link)) stream.answer(OPENED, null);
            else refuse();
          },
          refused: refuse,
        });
        // Another one has come, which the node may try: this one has taken nothing.
        const waiting = routes.onAdded(name, () => {
          if (link.isSilent()) refuse();
        });
        this.#open++;
        relays.start(stream, agent, { up: 0, down: 0 }, () => {
          this.#open--;
          waiting[Symbol.dispose]();
          startClose(stream);
          startClose(agent);
          return true;
        });
        return;
      } catch {
        // The link has as many streams as it may have, or ends.
      }
    }
  }
}

/** Returns the published name in a service's; null = it has none. */
function nameOf(service: string): string | null {
  if (service.startsWith(HTTP_SERVICE)) return service.slice(HTTP_SERVICE.length);
  return readRawService(service)?.name ?? null;
}
