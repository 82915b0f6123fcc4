import type { HostPort } from "../../base/addr.ts";
import type { Rng } from "../../contract/host.ts";
import { orderAddresses } from "../../core/dns/address_order.ts";
import { DnsCache } from "../../core/dns/cache.ts";
import { NameQuery, type Outcome } from "../../core/dns/name_query.ts";
import type { ResolvConf } from "../../core/dns/resolv_conf.ts";
import { namesToAsk } from "../../core/dns/search_list.ts";
import { type QueryMeans, runQuery } from "./query_run.ts";

const PORT = 53;

/**
 * Milliseconds before the next server is queried if one query, or five, had no answer here.
 * The silent server stays first, as another may know other names.
 */
const SILENT_PATIENCE_MS = { one: 1000, five: 250 };

/** CNAME records that are followed for a name. */
const MOST_LINKS = 8;

export type Answer = Exclude<Outcome, { kind: "alias" }>;

export interface DnsOptions extends QueryMeans {
  /** A new object means that the configuration has changed. */
  readonly conf: () => ResolvConf;
  readonly rng: Rng;
  /** Port of the name servers, for tests. */
  readonly port?: number;
}

/** Queries name servers, with search lists and a cache. */
export class DnsClient {
  readonly #o: DnsOptions;
  readonly #cache = new DnsCache();
  /** Queries that each server has left unanswered in a row. */
  readonly #silent = new Map<string, number>();
  #conf: ResolvConf | null = null;
  #turns = 0;

  constructor(o: DnsOptions) {
    this.#o = o;
  }

  /** Addresses of the name servers, for messages. */
  get servers(): readonly string[] {
    return this.#o.conf().servers;
  }

  /**
   * Returns a name's addresses, best first, or why there are none. `name`: ASCII in lower case,
   * without a final dot.
   * @throws the signal's reason; {TtunError} exhausted
   */
  async lookUp(name: string, isAbsolute: boolean, signal: AbortSignal): Promise<Answer> {
    const conf = this.#o.conf();
    if (conf !== this.#conf) { // other servers may give other answers
      this.#conf = conf;
      this.#cache.clear();
      this.#silent.clear();
    }
    let last: Answer = { kind: "nxdomain", ttl: null };
    for (const asked of namesToAsk(name, isAbsolute, conf)) {
      const outcome = this.#cache.get(asked, this.#now) ?? await this.#ask(asked, conf, signal);
      if (outcome.kind === "addresses" || outcome.kind === "silent") return outcome;
      // A failed query is a better reason than a name that does not exist.
      if (last.kind !== "failed") last = outcome;
    }
    return last;
  }

  get #now(): number {
    return this.#o.clock.now();
  }

  async #ask(name: string, conf: ResolvConf, signal: AbortSignal, links = 0): Promise<Answer> {
    const outcome = await this.#run(name, conf, signal);
    let found: Answer;
    if (outcome.kind === "alias") {
      if (links === MOST_LINKS) return { kind: "nodata", ttl: null };
      found = await this.#ask(outcome.to, conf, signal, links + 1);
      if (found.kind === "addresses") found = { ...found, ttl: Math.min(found.ttl, outcome.ttl) };
    } else found = outcome;
    if (found.kind === "failed" || found.kind === "silent") return found;
    if (conf === this.#conf) this.#cache.put(name, found, this.#now);
    return found;
  }

  async #run(name: string, conf: ResolvConf, signal: AbortSignal): Promise<Outcome> {
    const { rng, datagrams, port = PORT } = this.#o;
    const servers = conf.servers.map((host): HostPort => ({ host, port }));
    const patience = this.#patience(conf);
    const query = new NameQuery(name, { conf, servers: this.#order(conf), patience, rng });
    let outcome: Outcome;
    try {
      outcome = await runQuery(query, servers, { ...this.#o, signal });
    } finally {
      if (conf === this.#conf) this.#note(query, conf);
    }
    if (outcome.kind !== "addresses") return outcome;
    const addresses = orderAddresses(outcome.addresses, (host) => datagrams.sourceOf(host));
    return { ...outcome, addresses };
  }

  /** With `rotate` each call starts one server further. */
  #order({ servers, rotate }: ResolvConf): number[] {
    const first = rotate ? this.#turns++ % servers.length : 0;
    return servers.map((_, i) => (first + i) % servers.length);
  }

  #patience({ servers }: ResolvConf): Map<number, number> {
    const patience = new Map<number, number>();
    for (const [i, server] of servers.entries()) {
      const count = this.#silent.get(server) ?? 0;
      if (count > 0) patience.set(i, SILENT_PATIENCE_MS[count < 5 ? "one" : "five"]);
    }
    return patience;
  }

  #note({ answered, silent }: NameQuery, { servers }: ResolvConf): void {
    for (const i of silent) this.#silent.set(servers[i]!, 1 + (this.#silent.get(servers[i]!) ?? 0));
    for (const i of answered) this.#silent.delete(servers[i]!);
  }
}
