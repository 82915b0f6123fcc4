import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { withoutZone } from "../../base/zone.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { HttpRequest, HttpResponse, HttpServerMachine } from "../../core/http/exchange.ts";
import { valuesOf } from "../../core/http/fields.ts";
import { FramedClient } from "../../core/http/framing/client.ts";
import { HTTP3_PROTOCOL } from "../../core/http/http3/constants.ts";
import type { AccessEntry } from "../../core/http/policy/access_log.ts";
import { withForwarded } from "../../core/http/policy/forwarded.ts";
import { withoutApexCookies } from "../../core/http/policy/set_cookie.ts";
import { isHostName, publicNameOf } from "../../core/gateway/label.ts";
import { addressGroup } from "../net/address_group.ts";
import type { Quota } from "../net/connection_quota.ts";
import type { AgentLink } from "./agent_link.ts";
import type { Stream } from "../../contract/stream.ts";
import { HTTP_SERVICE } from "../../core/gateway/agent_messages.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";
import type { AgentRoutes } from "./agent_routes.ts";
import type { GatewayCounts } from "./gateway_counts.ts";
import { HeadLimits } from "./head_limits.ts";
import type { HopLinks } from "./hop_links.ts";
import type { RemoteRoutes } from "./remote_routes.ts";
import { type Asked, gatewayPages as pages } from "./gateway_pages.ts";
import { Ticker } from "./ticker.ts";
import { type Handling, Opening, type Page, type Upstream } from "./upstream.ts";
import { serveVisitor } from "./visitor.ts";

export interface GatewayOptions {
  readonly apex: string;
  readonly routes: AgentRoutes;
  readonly remote: RemoteRoutes;
  readonly hops: HopLinks;
  readonly clock: Clock;
  /** Aborts when the gateway is about to stop. */
  readonly draining: AbortSignal;
  readonly log: Logger;
  readonly scratch: Uint8Array;
  /** Port of visitors. */
  readonly port: number;
  /** `protocol`: of ALPN. */
  readonly makeServer: (scheme: "http" | "https", protocol: string | null) => HttpServerMachine;
  /** Returns the value of Alt-Svc (RFC 7838) for visitors who may come another way; null = none. */
  readonly alternative: () => string | null;
  /** Makes a text that tells requests apart, also in the log of the agent. */
  readonly requestId: () => string;
  /** Requests that are under way, by the visitors' addresses. */
  readonly places: Quota;
  /** Words of this visitor about visitors of his own go on to services. */
  readonly isWebProxy: (visitor: Connection) => boolean;
  readonly counts: GatewayCounts;
  /** Takes note of each exchange that is over. */
  readonly access: (entry: AccessEntry) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Milliseconds for which a request waits for a name whose links broke a moment ago, or take nothing. */
const PATIENCE_MS = 10_000;

/** Upstreams that one request has had. */
interface Tried {
  readonly links: Set<AgentLink>;
  readonly nodes: Set<NodeKey>;
  /** There were some, and they may be tried again. */
  failed: boolean;
}

/** A link by which a request may go. */
interface Way {
  /** Opens a stream on it. @throws {TtunError} lost */
  readonly open: (opening: Opening) => Stream;
  readonly isSilent: () => boolean;
  readonly isLeaving: () => boolean;
  readonly demote: () => void;
}

/** Versions of HTTP by their name in ALPN, where it is not 1.1. */
const VERSIONS: Readonly<Record<string, string>> = { h2: "2", h3: "3" };

/** Passes visitors' requests to the agents that publish the names that they ask for. */
export class Gateway {
  readonly #o: GatewayOptions;
  readonly #said: RateLimitedLog;
  readonly #ticker: Ticker;
  readonly #heads = new HeadLimits();

  constructor(o: GatewayOptions) {
    this.#o = o;
    this.#ticker = new Ticker(o.clock);
    this.#said = new RateLimitedLog(o.log, () => o.clock.now());
  }

  /** Serves a visitor's connection, whose TLS is complete. Owns it. */
  async serve(stream: Connection, protocol: string | null): Promise<void> {
    const { clock, scratch, log, draining, makeServer } = this.#o;
    await serveVisitor(stream, {
      machine: makeServer("https", protocol),
      endMeansLeft: protocol !== HTTP3_PROTOCOL,
      clock,
      ticker: this.#ticker,
      ...{ scratch, log, draining },
      pauseFor: (head) => {
        // Behind another proxy all visitors would be one.
        if (this.#o.isWebProxy(stream)) return 0;
        return this.#heads.pauseFor(addressGroup(stream.remote), head, clock.now());
      },
      handle: (head) => this.#handle(head, stream, VERSIONS[protocol ?? ""] ?? "1.1"),
    });
  }

  /** Leads a visitor of plain HTTP to HTTPS. Owns the connection. */
  async redirect(stream: Connection): Promise<void> {
    const { apex, clock, scratch, log, draining, makeServer, port, requestId } = this.#o;
    const at = port === 443 ? "" : `:${port}`;
    const answer = (asked: Asked) => {
      const { head } = asked;
      const host = hostOf(head.authority);
      if (head.method === "CONNECT" || head.path === "*") return pages.notAllowed(asked);
      const name = publicNameOf(host, apex);
      const to = () => pages.redirect(asked, `https://${host}${at}${head.path}`);
      if (host === apex || (name !== null && !isHostName(name))) return to();
      if (name === null) return pages.misdirected(asked);
      return this.#isPublished(name, stream).then((is) => is ? to() : pages.misdirected(asked));
    };
    await serveVisitor(stream, {
      machine: makeServer("http", null),
      endMeansLeft: true,
      ...{ clock, ticker: this.#ticker, scratch, log, draining },
      pauseFor: () => 0,
      handle: (head) => {
        const asked = { head, id: requestId() };
        return {
          next: () => answer(asked),
          patience: () => 0,
          onMore: () => ({ [Symbol.dispose]: () => {} }),
          failure: () => pages.failed(asked),
          over: () => {},
        };
      },
    });
  }

  async #isPublished(name: string, { remote: from }: Connection): Promise<boolean> {
    const { routes, remote } = this.#o;
    if (routes.has(name)) return true;
    return (await remote.find(name, addressGroup(from)))?.[0] !== undefined;
  }

  #handle(head: HttpRequest, visitor: Connection, version: string): Handling {
    const { apex, clock, requestId, access, now, counts, places } = this.#o;
    counts.open++;
    const [time, began] = [now(), clock.now()];
    const asked = { head, id: requestId() };
    // The agents' links have places for some thousands, which must not all be one visitor's.
    const place = places.take(visitor.remote);
    const tried: Tried = { links: new Set(), nodes: new Set(), failed: false };
    const host = hostOf(head.authority);
    const name = publicNameOf(host, apex);
    const { routes, remote } = this.#o;
    return {
      next: () => place === null ? pages.busy(asked) : this.#next(asked, host, visitor, tried),
      patience: () => {
        if (name === null) return 0;
        const mayCome = routes.has(name) || routes.wasThere(name) || remote.wasThere(name);
        return mayCome ? PATIENCE_MS : 0;
      },
      onMore: (run) => routes.onAdded(name ?? "", run),
      failure: (words) => {
        const hasTried = tried.links.size + tried.nodes.size > 0 || tried.failed;
        if (!hasTried && words === null) {
          // Nobody has such a host here, which need not be a name of the mesh at all.
          const isForeign = name !== null && isHostName(name);
          return isForeign ? pages.misdirected(asked) : pages.absent(asked, host);
        }
        this.#said.warn("A request failed", {
          host,
          request: asked.id,
          why: words ?? "no link of its agent takes it",
        });
        return pages.failed(asked);
      },
      over: (facts) => {
        place?.[Symbol.dispose]();
        counts.open--;
        counts.add(facts, clock.now() - began);
        access({
          ...facts,
          head,
          visitor: addressOf(visitor),
          requestId: asked.id,
          version,
          time,
          duration: clock.now() - began,
          service: name ?? "",
        });
      },
    };
  }

  #next(
    asked: Asked,
    host: string,
    visitor: Connection,
    tried: Tried,
  ): Upstream | Page | Promise<Upstream | Page | null> {
    const { apex, routes, isWebProxy } = this.#o;
    const { head, id } = asked;
    if (head.method === "CONNECT") return pages.notAllowed(asked);
    if (host === apex) return pages.apex(asked, apex);
    const name = publicNameOf(host, apex);
    // The visitor came by a name of the same certificate, whose TLS ends here (RFC 9110 section 7.4).
    if (name === null || routes.isPassthrough(name)) return pages.misdirected(asked);
    const address = addressOf(visitor);
    const upstream = ({ open, ...way }: Way): Upstream => {
      const opening = new Opening();
      return {
        head: withForwarded(head, { visitor: address, isTrusted: isWebProxy(visitor) }),
        stream: open(opening),
        machine: new FramedClient({ visitor: address, requestId: id }),
        ...{ opening, ...way },
        respond: (response) => this.#answered(response, host),
      };
    };
    for (;;) {
      const link = routes.pick(name, tried.links);
      if (link === null) break;
      tried.links.add(link);
      try {
        return upstream({
          open: (opening) =>
            link.openService(HTTP_SERVICE + name, {
              opened: () => opening.set("opened"),
              refused: () => opening.set("refused"),
            }),
          isSilent: () => link.isSilent(),
          isLeaving: () => !routes.isOn(name, link),
          demote: () => link.demote(),
        });
      } catch {
        // The link has as many streams as it may have, or ends.
      }
    }
    return this.#nextNode(asked, name, { visitor, tried, upstream });
  }

  /** Finds another node at which the agent is. */
  async #nextNode(
    asked: Asked,
    name: string,
    { visitor, tried, upstream }: {
      readonly visitor: Connection;
      readonly tried: Tried;
      readonly upstream: (way: Way) => Upstream;
    },
  ): Promise<Upstream | Page | null> {
    const { remote, hops } = this.#o;
    const { nodes } = tried;
    const found = await remote.find(name, addressGroup(visitor.remote));
    if (found === null) return pages.unknown(asked);
    if (remote.isPassthrough(name)) return pages.misdirected(asked);
    for (const node of found) {
      if (nodes.has(node)) continue;
      nodes.add(node);
      try {
        const carrier = await hops.get(node);
        return upstream({
          open: (opening) =>
            carrier.openNow(HTTP_SERVICE + name, {
              opened: () => {
                remote.answered(node);
                opening.set("opened");
              },
              refused: () => {
                remote.failed(name, node);
                opening.set("refused");
              },
            }),
          isSilent: () => carrier.isSilent(),
          isLeaving: () => false,
          demote: () => remote.demote(node),
        });
      } catch {
        remote.failed(name, node); // another one may have it
      }
    }
    // Those that failed may be tried again, after a while.
    tried.failed ||= tried.links.size + nodes.size > 0;
    tried.links.clear();
    nodes.clear();
    return null;
  }

  /** One service must not set cookies for all the others. */
  #answered(given: HttpResponse, host: string): HttpResponse {
    const response = this.#withAlternative(given, host);
    const { fields, dropped } = withoutApexCookies(response.fields, this.#o.apex);
    if (dropped.length === 0) return response;
    this.#said.warn("Dropped cookies of a service that are for its neighbours too", {
      host,
      cookies: dropped.join(" "),
    });
    return { ...response, fields };
  }

  /** Tells visitors of another way to names of its certificate, unless the service tells of its own. */
  #withAlternative(response: HttpResponse, host: string): HttpResponse {
    const { status, fields } = response;
    const name = publicNameOf(host, this.#o.apex);
    if (name === null || isHostName(name)) return response;
    if (status < 200 || valuesOf(fields, "alt-svc").length > 0) return response;
    const value = this.#o.alternative();
    return value === null
      ? response
      : { ...response, fields: [...fields, { name: "Alt-Svc", value }] };
  }
}

/** Returns the visitor's address, without its interface; "" where it has none. */
function addressOf({ remote }: Connection): string {
  return "host" in remote ? withoutZone(remote.host) : "";
}

/** Returns the host of an authority in lower case, without its port. */
function hostOf(authority: string): string {
  return authority.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}
