import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { formatRawService, type RawKind } from "../../core/gateway/raw_service.ts";
import { addressGroup } from "../net/address_group.ts";
import type { RelayCount, Relays } from "../net/relay.ts";
import type { V2Carrier } from "../mesh/carriers/v2_carrier.ts";
import type { AgentLink } from "./agent_link.ts";
import type { AgentRoutes } from "./agent_routes.ts";
import type { HopLinks } from "./hop_links.ts";
import type { RemoteRoutes } from "./remote_routes.ts";

/** Milliseconds for an agent, or another node, to take a connection. */
const TAKE_MS = 10_000;

export interface RawVisitorsOptions {
  readonly routes: AgentRoutes;
  readonly remote: RemoteRoutes;
  readonly hops: HopLinks;
  readonly relays: Relays;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Where a connection goes, and what is done when nothing has come from there. */
interface Way {
  readonly open: (events: Parameters<V2Carrier["openNow"]>[1]) => Stream;
  readonly failed: () => void;
}

/** Passes visitors' connections to agents as they are. */
export class RawVisitors {
  readonly #o: RawVisitorsOptions;
  readonly #said: RateLimitedLog;

  constructor(o: RawVisitorsOptions) {
    this.#o = o;
    this.#said = new RateLimitedLog(o.log, () => o.clock.now());
  }

  /** Carries a connection until both its ways have ended. Owns it. Never rejects. */
  async serve(visitor: Connection, kind: RawKind, name: string): Promise<void> {
    const { relays, log } = this.#o;
    await using _visitor = visitor;
    const count: RelayCount = { up: 0, down: 0 };
    let way: Way | null = null;
    try {
      const found = await this.#open(kind, name, visitor);
      way = found.way;
      await using upstream = found.stream;
      await relays.run(visitor, upstream, count);
    } catch (thrown) {
      visitor.reset(); // an orderly end would look like one of the service's
      if (count.down === 0) way?.failed();
      if (relays.isCut) return;
      const { kind: what, message } = toTtunError(thrown);
      if (what === "internal") log.error(message, { name });
      else if (way !== null) log.debug("A connection was cut", { name, why: message });
      else this.#said.warn("A connection found no service", { name, why: message });
    }
  }

  /** @throws {TtunError} unreachable */
  async #open(
    kind: RawKind,
    name: string,
    { remote: address }: Connection,
  ): Promise<{ stream: Stream; way: Way }> {
    const service = formatRawService({ kind, name, visitor: address });
    let why: unknown = new TtunError("unreachable", "Nobody publishes the name");
    for await (const way of this.#ways(service, name, addressGroup(address))) {
      try {
        return { stream: await this.#take(way), way };
      } catch (error) {
        way.failed();
        why = error;
      }
    }
    throw why;
  }

  /** Returns the ways to a name, those of this node's own links first. */
  async *#ways(service: string, name: string, from: string): AsyncGenerator<Way> {
    const { routes, remote, hops } = this.#o;
    const tried = new Set<AgentLink>();
    for (let link; (link = routes.pick(name, tried)) !== null;) {
      tried.add(link);
      const { openService } = link;
      yield { open: (events) => openService(service, events), failed: () => {} };
    }
    for (const node of await remote.find(name, from) ?? []) {
      const failed = () => remote.failed(name, node);
      try {
        const carrier = await hops.get(node);
        yield { open: (events) => carrier.openNow(service, events), failed };
      } catch {
        failed(); // another node may have it
      }
    }
  }

  /** Resolves once the other end has taken the stream. @throws {TtunError} */
  async #take({ open }: Way): Promise<Stream> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    using _timer = this.#o.clock.after(TAKE_MS, () => {
      reject(new TtunError("timeout", "The agent did not take the connection in time"));
    });
    const stream = open({ opened: resolve, refused: reject });
    try {
      await promise;
      return stream;
    } catch (error) {
      stream.reset();
      startClose(stream);
      throw error;
    }
  }
}
