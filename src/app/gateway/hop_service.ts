import { startClose } from "../../base/start_close.ts";
import type { Stream } from "../../contract/stream.ts";
import { HTTP_SERVICE } from "../../core/gateway/agent_messages.ts";
import { readRawService } from "../../core/gateway/raw_service.ts";
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
    const name = nameOf(service);
    return name !== null && this.#o.routes.has(name);
  }

  /** Owns the stream. */
  serve(stream: Stream, service: string): void {
    const { routes, relays } = this.#o;
    const link = routes.pick(nameOf(service)!, new Set());
    let agent: Stream;
    try {
      // A stream that is refused is reset, which goes on to the other node.
      agent = link!.openService(service, { opened: () => {}, refused: () => {} });
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

/** Returns the published name in a service's; null = it has none. */
function nameOf(service: string): string | null {
  if (service.startsWith(HTTP_SERVICE)) return service.slice(HTTP_SERVICE.length);
  return readRawService(service)?.name ?? null;
}
