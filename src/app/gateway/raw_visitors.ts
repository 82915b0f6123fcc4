import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { formatRawService, type RawKind } from "../../core/gateway/raw_service.ts";
import { addressGroup } from "../net/address_group.ts";
import type { Quota } from "../net/connection_quota.ts";
import type { RelayCount, Relays } from "../net/relay.ts";
import { counter, gauge, type Measure } from "../mesh/http/node_metrics.ts";
import type { V2Carrier } from "../mesh/carriers/v2_carrier.ts";
import type { AgentLink } from "./agent_link.ts";
import type { AgentRoutes } from "./agent_routes.ts";
import type { HopLinks } from "./hop_links.ts";
import type { RemoteRoutes } from "./remote_routes.ts";

/** Milliseconds for an agent, or another node, to take a connection. */
const TAKE_MS = 10_000;

/** Milliseconds after which the next way is tried beside one that has not answered. */
const HEAD_START_MS = 200;

export interface RawVisitorsOptions {
  readonly routes: AgentRoutes;
  readonly remote: RemoteRoutes;
  readonly hops: HopLinks;
  readonly relays: Relays;
  /** Places by the visitors' addresses: agents' links have room for a few thousand. */
  readonly places: Quota;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Where a connection may go, and what is done when it is not taken there. */
interface Way {
  readonly open: (events: Parameters<V2Carrier["openNow"]>[1]) => Stream;
  readonly failed: () => void;
}

/** Tells a visitor what becomes of the connection. */
export interface RawAnswer {
  /** A service has it: its bytes follow. */
  readonly taken: () => Promise<void>;
  readonly refused: () => Promise<void>;
}

/** Passes visitors' connections to agents as they are. */
export class RawVisitors {
  readonly #o: RawVisitorsOptions;
  readonly #said: RateLimitedLog;
  /** Bytes of connections that are over. */
  readonly #count: RelayCount = { up: 0, down: 0 };

  constructor(o: RawVisitorsOptions) {
    this.#o = o;
    this.#said = new RateLimitedLog(o.log, () => o.clock.now());
  }

  /**
   * Carries a connection until both its ways have ended. Owns it. Never rejects. `answer`: the visitor is
   * to be told what becomes of it; absent = a connection that nobody takes is reset.
   */
  async serve(
    visitor: Connection,
    kind: RawKind,
    name: string,
    answer?: RawAnswer,
  ): Promise<void> {
    const { relays, log, places } = this.#o;
    await using _visitor = visitor;
    let isTaken = false;
    const count: RelayCount = { up: 0, down: 0 };
    try {
      using place = places.take(visitor.remote);
      if (place === null) {
        throw new TtunError("exhausted", "The address has as many connections as it may have");
      }
      const service = formatRawService({ kind, name, visitor: visitor.remote });
      const ways = this.#ways(service, name, addressGroup(visitor.remote));
      await using upstream = await this.#first(ways);
      isTaken = true;
      await answer?.taken();
      await relays.run(visitor, upstream, count);
    } catch (thrown) {
      // An orderly end would look like one of the service's.
      if (isTaken || answer === undefined) visitor.reset();
      else await answer.refused().catch(() => visitor.reset());
      if (relays.isCut) return;
      const { kind: what, message } = toTtunError(thrown);
      if (what === "internal") log.error(message, { name });
      else if (isTaken) log.debug("A connection was cut", { name, why: message });
      else this.#said.warn("A connection found no service", { name, why: message });
    } finally {
      this.#count.up += count.up;
      this.#count.down += count.down;
    }
  }

  measures(): Measure[] {
    const { places } = this.#o;
    const { up, down } = this.#count;
    return [
      counter("gateway_raw_connections_total", "Raw connections of visitors", places.taken),
      gauge("gateway_raw_connections", "Raw connections that are open", places.count),
      counter(
        "gateway_raw_received_bytes_total",
        "Bytes of those that are over, from visitors",
        up,
      ),
      counter("gateway_raw_sent_bytes_total", "Bytes of those that are over, to visitors", down),
    ];
  }

  /** Resolves with a stream of the first way that takes it. @throws {TtunError} if none does */
  async #first(ways: AsyncIterable<Way>): Promise<Stream> {
    const { promise, resolve, reject } = Promise.withResolvers<Stream>();
    let [isOver, hasAll, running] = [false, false, 0];
    let why: unknown = new TtunError("unreachable", "Nobody publishes the name");
    const end = () => {
      if (hasAll && running === 0 && !isOver) reject(why);
    };
    const take = async (way: Way) => {
      running++;
      try {
        const stream = await this.#take(way);
        if (isOver) return giveUp(stream);
        isOver = true;
        resolve(stream);
      } catch (error) {
        way.failed();
        why = error;
      } finally {
        running--;
        end();
      }
    };
    for await (const way of ways) {
      if (isOver) break;
      await this.#within(HEAD_START_MS, take(way));
      if (isOver) break;
    }
    hasAll = true;
    end();
    return await promise;
  }

  /** Resolves with `work`, which never rejects, or so many milliseconds later. */
  async #within(ms: number, work: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = this.#o.clock.after(ms, resolve);
    await Promise.race([work, promise]);
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
      let wasRefused = false;
      const failed = () => wasRefused ? remote.refused(name) : remote.failed(name, node);
      try {
        const carrier = await hops.get(node);
        const open: Way["open"] = ({ opened, refused }) =>
          carrier.openNow(service, {
            opened,
            refused: (error, code) => {
              wasRefused = code !== null;
              refused(error, code);
            },
          });
        yield { open, failed };
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
      giveUp(stream);
      throw error;
    }
  }
}

function giveUp(stream: Stream): void {
  stream.reset();
  startClose(stream);
}
