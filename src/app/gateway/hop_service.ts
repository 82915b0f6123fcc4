import { startClose } from "../../base/start_close.ts";
import type { Stream } from "../../contract/stream.ts";
import { HTTP_SERVICE } from "../../core/gateway/agent_messages.ts";
import type { Relays } from "../net/relay.ts";
import type { AgentRoutes } from "./agent_routes.ts";

export interface HopServiceOptions {
  readonly routes: AgentRoutes;
  readonly relays: Relays;
}

/** Passes exchanges of other nodes' visitors on to agents that are linked here, and no further. */
export class HopService {
  readonly #o: HopServiceOptions;

  constructor(o: HopServiceOptions) {
    this.#o = o;
  }

  has(service: string): boolean {
    return service.startsWith(HTTP_SERVICE) &&
      this.#o.routes.has(service.slice(HTTP_SERVICE.length));
  }

  /** Owns the stream. */
  serve(stream: Stream, service: string): void {
    const { routes, relays } = this.#o;
    const name = service.slice(HTTP_SERVICE.length);
    const link = routes.pick(name, new Set());
    let agent: Stream;
    try {
      agent = link!.open(name, () => {}); // it is reset then, which goes on to the other node
    } catch {
      return stream.reset();
    }
    relays.start(stream, agent, { up: 0, down: 0 }, () => {
      startClose(stream);
      startClose(agent);
      return true;
    });
  }
}
