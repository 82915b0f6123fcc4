import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { DnsStatus } from "../../core/status/report.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { CAP_NET_ADMIN, passToPrograms } from "../../../ffi/linux/capabilities.ts";
import { Journal } from "../../io/changes/journal.ts";
import { NameServers } from "../../io/netcfg/name_servers.ts";
import { keptText, RESOLV_CONF } from "../../io/netcfg/resolv_conf_file.ts";
import type { NameServerSettings } from "../../io/netcfg/written_resolv_conf.ts";
import { nameServerFailure } from "./name_server_failure.ts";

export interface DnsTools {
  readonly libc: Libc;
  readonly log: Logger;
  /** The folder of the journal. */
  readonly folder: string;
}

/** The name servers that this machine has while a tunnel is up. Dispose puts the others back. */
export class DnsSettings implements Disposable {
  readonly #device: string;
  readonly #o: DnsTools;
  readonly #journal: Journal;
  #set: {
    readonly text: string;
    readonly settings: NameServerSettings;
    readonly servers: NameServers;
  } | null = null;

  constructor(device: string, o: DnsTools) {
    this.#device = device;
    this.#o = o;
    this.#journal = new Journal(o.libc, o.folder, "dns");
  }

  /** Does nothing if they are set already. @throws {TtunError} privilege, system, in_use */
  set(settings: NameServerSettings): void {
    const text = JSON.stringify(settings);
    if (this.#set?.text === text) return;
    this.clear();
    const { libc, folder, log } = this.#o;
    try {
      using _passed = passToPrograms(libc, CAP_NET_ADMIN);
      const tools = { libc, folder, journal: this.#journal };
      const servers = new NameServers(this.#device, settings, tools);
      this.#set = { text, settings, servers };
      log.info("name servers of this machine", {
        servers: settings.servers.join(","),
        ...(settings.search.length > 0 && { search: settings.search.join(",") }),
        by: servers.way,
      });
    } catch (thrown) {
      throw nameServerFailure(thrown);
    }
  }

  /** Null while the machine has its own. */
  get status(): DnsStatus | null {
    if (this.#set === null) return null;
    const { settings: { servers, search }, servers: { way } } = this.#set;
    return { servers, search, by: way };
  }

  /** IP addresses of those that are set. */
  get servers(): readonly string[] {
    return this.#set?.settings.servers ?? [];
  }

  /** Puts back those that were there before. A failure is for the log. */
  clear(): void {
    const { servers } = this.#set ?? {};
    this.#set = null;
    if (servers === undefined) return;
    const { libc, log } = this.#o;
    try {
      using _passed = passToPrograms(libc, CAP_NET_ADMIN);
      const by = servers.way;
      if (servers.takeBack()) log.info("the former name servers are back", { by });
      else log.warn("another program has changed the name servers: they stay as they are", { by });
      const kept = by === RESOLV_CONF ? keptText(by) : null;
      if (kept !== null) log.warn(kept);
    } catch (thrown) {
      log.warn(
        `Cannot put back the former name servers: ${toTtunError(thrown).message}; run: sudo ttun ` +
          "doctor --repair",
      );
    }
  }

  [Symbol.dispose](): void {
    this.clear();
    this.#journal[Symbol.dispose]();
  }
}
