import type { Logger } from "../../base/log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type {
  HttpClientMachine,
  HttpRequest,
  HttpServerMachine,
} from "../../core/http/exchange.ts";
import { labelBelow } from "../../core/gateway/label.ts";
import type { AgentLink } from "./agent_link.ts";
import type { AgentRoutes } from "./agent_routes.ts";
import type { GatewayPages } from "./gateway_pages.ts";
import { type Handling, type Page, serveVisitor, type Way } from "./visitor.ts";

export interface GatewayOptions {
  readonly apex: string;
  readonly routes: AgentRoutes;
  readonly clock: Clock;
  readonly log: Logger;
  readonly pages: GatewayPages;
  readonly scratch: Uint8Array;
  /** Machines for visitors, and for streams to agents. */
  readonly makeServer: () => HttpServerMachine;
  readonly makeClient: () => HttpClientMachine;
  /** Returns the request as the agent is to have it. */
  readonly forwarded: (head: HttpRequest, visitor: Connection) => HttpRequest;
}

/** Passes visitors' requests to the agents that publish the names that they ask for. */
export class Gateway {
  readonly #o: GatewayOptions;

  constructor(o: GatewayOptions) {
    this.#o = o;
  }

  /** Serves a visitor's connection, whose TLS is complete. Owns it. */
  async serve(stream: Connection): Promise<void> {
    const { clock, scratch, log, makeServer } = this.#o;
    await serveVisitor(stream, {
      machine: makeServer(),
      clock,
      scratch,
      log,
      handle: (head) => this.#handle(head, stream),
    });
  }

  #handle(head: HttpRequest, visitor: Connection): Handling {
    const { clock, log, pages } = this.#o;
    const began = clock.now();
    const tried = new Set<AgentLink>();
    const host = hostOf(head.authority);
    return {
      next: () => this.#next(head, host, visitor, tried),
      failure: (words) => {
        log.warn("A request failed", { host, why: words });
        return pages.failed(head);
      },
      over: ({ status, requestBytes, responseBytes }) => {
        log.debug("request", {
          peer: visitor.peer,
          host,
          method: head.method,
          status,
          requestBytes,
          responseBytes,
          ms: Math.round(clock.now() - began),
        });
      },
    };
  }

  #next(
    head: HttpRequest,
    host: string,
    visitor: Connection,
    tried: Set<AgentLink>,
  ): Way | Page {
    const { apex, routes, pages, makeClient, forwarded } = this.#o;
    if (head.method === "CONNECT") return pages.notAllowed(head);
    if (host === apex) return pages.apex(head);
    const name = labelBelow(host, apex);
    if (name === null) return pages.misdirected(head);
    const link = routes.pick(name, tried);
    if (link === null) return tried.size > 0 ? pages.failed(head) : pages.absent(head, host);
    tried.add(link);
    let wasRefused = false;
    try {
      const stream = link.open(name, () => wasRefused = true);
      return {
        head: forwarded(head, visitor),
        stream,
        machine: makeClient(),
        wasRefused: () => wasRefused,
        respond: (response) => response,
      };
    } catch {
      return this.#next(head, host, visitor, tried); // the link has as many streams as it may have
    }
  }
}

/** Returns the host of an authority in lower case, without its port. */
function hostOf(authority: string): string {
  return authority.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}
