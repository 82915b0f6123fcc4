import type { HostPort } from "../../base/addr.ts";
import type { Rng } from "../../contract/host.ts";
import { orderAddresses } from "../../core/dns/address_order.ts";
import { DnsCache } from "../../core/dns/cache.ts";
import { NameQuery, type Outcome } from "../../core/dns/name_query.ts";
import type { ResolvConf } from "../../core/dns/resolv_conf.ts";
import { namesToAsk } from "../../core/dns/search_list.ts";
import { type QueryMeans, runQuery } from "./query_run.ts";

const PORT = 53;

/** A server that did not answer goes behind the others for so long, each time twice as long. */
const SILENT_MS = 30_000;
const MOST_SILENT_MS = 600_000;

export interface DnsOptions extends QueryMeans {
  /** The configuration as it is now; another object when it has changed. */
  readonly conf: () => ResolvConf;
  readonly rng: Rng;
  /** Where name servers listen; for tests. */
  readonly port?: number;
}

/** Asks name servers, over search lists, with a cache. */
export class DnsClient {
  readonly #o: DnsOptions;
  readonly #cache = new DnsCache();
  /** Servers that have not answered since: until when each goes behind the others. */
  readonly #silent = new Map<string, { until: number; ms: number }>();
  #conf: ResolvConf | null = null;
  #turns = 0;

  constructor(o: DnsOptions) {
    this.#o = o;
  }

  /** The name servers' addresses, for words. */
  get servers(): readonly string[] {
    return this.#o.conf().servers;
  }

  /**
   * A name's addresses, best first, or why there are none. `name`: ASCII in lower case, without a dot
   * at the end. @throws the signal's reason; {TtunError} exhausted
   */
  async lookUp(name: string, isAbsolute: boolean, signal: AbortSignal): Promise<Outcome> {
    const conf = this.#o.conf();
    if (conf !== this.#conf) { // other servers may know other things
      this.#conf = conf;
      this.#cache.clear();
      this.#silent.clear();
    }
    let last: Outcome = { kind: "nxdomain", ttl: null };
    for (const asked of namesToAsk(name, isAbsolute, conf)) {
      const outcome = this.#cache.get(asked, this.#now) ?? await this.#ask(asked, conf, signal);
      if (outcome.kind === "addresses" || outcome.kind === "silent") return outcome;
      // Of names that are not there, one that could not be told is the reason.
      if (last.kind !== "failed") last = outcome;
    }
    return last;
  }

  get #now(): number {
    return this.#o.clock.now();
  }

  async #ask(name: string, conf: ResolvConf, signal: AbortSignal): Promise<Outcome> {
    const { rng, datagrams, port = PORT } = this.#o;
    const servers = conf.servers.map((host): HostPort => ({ host, port }));
    const query = new NameQuery(name, { conf, servers: this.#order(conf), rng });
    let outcome: Outcome;
    try {
      outcome = await runQuery(query, servers, { ...this.#o, signal });
    } finally {
      if (conf === this.#conf) this.#note(query, conf);
    }
    if (outcome.kind === "failed" || outcome.kind === "silent") return outcome;
    const kept = outcome.kind === "addresses"
      ? {
        ...outcome,
        addresses: orderAddresses(outcome.addresses, (host) => datagrams.sourceOf(host)),
      }
      : outcome;
    if (conf === this.#conf) this.#cache.put(name, kept, this.#now);
    return kept;
  }

  /** As the file has them, with `rotate` from the next one on; those that were silent come last. */
  #order({ servers, rotate }: ResolvConf): number[] {
    const first = rotate ? this.#turns++ % servers.length : 0;
    const numbers = servers.map((_, i) => (first + i) % servers.length);
    const isSilent = (i: number) => +((this.#silent.get(servers[i]!)?.until ?? 0) > this.#now);
    return numbers.sort((a, b) => isSilent(a) - isSilent(b));
  }

  #note({ answered, silent }: NameQuery, { servers }: ResolvConf): void {
    for (const i of silent) {
      const known = this.#silent.get(servers[i]!);
      if (known !== undefined && known.until > this.#now) continue; // of the same silence
      const ms = Math.min(MOST_SILENT_MS, 2 * (known?.ms ?? SILENT_MS / 2));
      this.#silent.set(servers[i]!, { until: this.#now + ms, ms });
    }
    for (const i of answered) this.#silent.delete(servers[i]!);
  }
}
