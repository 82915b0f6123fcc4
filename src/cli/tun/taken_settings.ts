import { formatCidr, formatIp } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import type { PushedSettings } from "../../core/link/v2/pushed.ts";
import { nameServerRefusal } from "../../core/net/pushed_policy.ts";
import type { DnsConfig } from "./plane_config.ts";
import type { Tunnel } from "./tunnel.ts";

/** Settings of a client's machine: those that the user gave, and those that the server pushes. */
export class TakenSettings {
  readonly #config: DnsConfig | null;
  readonly #tunnel: Pick<Tunnel, "dns" | "log" | "pushedRoutes">;
  readonly #told = new Set<string>();

  /** `config`: of the name servers. */
  constructor(config: DnsConfig | null, tunnel: Pick<Tunnel, "dns" | "log" | "pushedRoutes">) {
    this.#config = config;
    this.#tunnel = tunnel;
  }

  /**
   * Uses a session's settings. `server`: its IP address.
   * @throws {TtunError} if the name servers that the user gave cannot be set
   */
  take({ routes, nameServers }: PushedSettings, server: string | undefined): void {
    const { dns, pushedRoutes } = this.#tunnel;
    pushedRoutes?.take(routes, server);
    if (pushedRoutes === null && routes.length > 0) {
      this.#hint("routes", "--accept-routes takes them", routes.map(formatCidr));
    }
    if (dns !== null && this.#isOwn) dns.set(this.#config!);
    else if (dns !== null) this.#takeNameServers(nameServers);
    else if (nameServers.length > 0) {
      this.#hint("name servers", "--accept-dns takes them", nameServers.map(formatIp));
    }
  }

  /** Takes out those of the session, which has ended. */
  clear(): void {
    this.#tunnel.pushedRoutes?.clear();
    if (!this.#isOwn) this.#tunnel.dns?.clear();
  }

  get #isOwn(): boolean {
    return this.#config !== null && this.#config.servers.length > 0;
  }

  #takeNameServers(nameServers: readonly Uint8Array[]): void {
    const dns = this.#tunnel.dns!;
    const servers = nameServers.filter((ip) => {
      const refusal = nameServerRefusal(ip);
      if (refusal !== null) {
        this.#warn(
          `The name server ${formatIp(ip)} that the server pushes is not taken: ${refusal}`,
        );
      }
      return refusal === null;
    }).map(formatIp);
    if (servers.length === 0) return dns.clear();
    try {
      dns.set({ servers, search: this.#config!.search });
    } catch (thrown) {
      const why = toTtunError(thrown).message;
      this.#warn(
        `The name servers ${servers.join(", ")} that the server pushes are not taken: ${why}`,
      );
    }
  }

  #hint(what: string, how: string, list: readonly string[]): void {
    const words = `the server has ${what} for this machine: ${how}`;
    if (this.#told.has(words)) return;
    this.#told.add(words);
    this.#tunnel.log.info(words, { [what.replace(" ", "_")]: list.join(",") });
  }

  #warn(words: string): void {
    if (!this.#told.has(words)) this.#tunnel.log.warn(words);
    this.#told.add(words);
  }
}
