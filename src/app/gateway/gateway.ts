import type { Logger } from "../../base/log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { HttpRequest, HttpServerMachine } from "../../core/http/exchange.ts";
import { FramedClient } from "../../core/http/framing/client.ts";
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
  readonly makeServer: () => HttpServerMachine;
  /** Makes a text that tells requests apart, also in the log of the agent. */
  readonly requestId: () => string;
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
    const { clock, log, pages, requestId } = this.#o;
    const began = clock.now();
    const id = requestId();
    const tried = new Set<AgentLink>();
    const host = hostOf(head.authority);
    return {
      next: () => this.#next(head, { host, id }, visitor, tried),
      failure: (words) => {
        log.warn("A request failed", { host, request: id, why: words });
        return pages.failed(head);
      },
      over: ({ status, requestBytes, responseBytes }) => {
        log.debug("request", {
          peer: visitor.peer,
          request: id,
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
    { host, id }: { readonly host: string; readonly id: string },
    visitor: Connection,
    tried: Set<AgentLink>,
  ): Way | Page {
    const { apex, routes, pages, forwarded } = this.#o;
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
        machine: new FramedClient({ visitor: addressOf(visitor), requestId: id }),
        wasRefused: () => wasRefused,
        respond: (response) => response,
      };
    } catch {
      return this.#next(head, { host, id }, visitor, tried); // the link has as many streams as it may have
    }
  }
}

function addressOf({ remote }: Connection): string {
  return "host" in remote ? remote.host : "";
}

/** Returns the host of an authority in lower case, without its port. */
function hostOf(authority: string): string {
  return authority.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}
