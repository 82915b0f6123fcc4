import { type Cidr, parseCidr } from "../../base/addr.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { KillSwitchWishes } from "../../core/net/kill_switch_rules.ts";
import type { DefaultRouteStatus, EndStatus } from "../../core/status/report.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { Netlink } from "../../../ffi/linux/netlink.ts";
import { CAP_NET_ADMIN, passToPrograms } from "../../../ffi/linux/capabilities.ts";
import { NativeError } from "../../../ffi/native.ts";
import { Journal } from "../../io/changes/journal.ts";
import { ownIdentity } from "../../io/changes/process_identity.ts";
import { type Leftover, repair } from "../../io/changes/repair.ts";
import { readSysctl } from "../../io/changes/sysctl.ts";
import { FilterWatch } from "../../io/netcfg/filter_watch.ts";
import type { Reactor } from "../../io/reactor/reactor.ts";
import { DefaultRoute } from "../../io/netcfg/default_route.ts";
import {
  FilterChanges,
  type FilterProgram,
  findFilterProgram,
  noFilterProgram,
} from "../../io/netcfg/filter_rules.ts";
import { returnMarks, validMarks } from "../../io/netcfg/return_marks.ts";
import { CARRIER_MARK } from "./carrier_mark.ts";
import { GatewayNetworks } from "./gateway_networks.ts";
import { halfRoutes } from "./half_routes.ts";
import { KillSwitch } from "./kill_switch.ts";
import type { PlanePort } from "../plane/worker_port.ts";
import type { GatewayConfig } from "./plane_config.ts";

interface Tools {
  readonly libc: Libc;
  readonly log: Logger;
  /** Tells whether the user has ended the program. */
  readonly port: Pick<PlanePort<unknown>, "isEndedOnPurpose">;
  /** The machine's name servers become the tunnel's, now or by a session. */
  readonly ownsNames: boolean;
}

const STRICT_RP_FILTER = "rp_filter is strict here, and what makes up for it cannot be set: the " +
  "server's answers may be dropped; run: sudo sysctl -w net.ipv4.conf.all.rp_filter=2";

/**
 * All traffic of the machine through the tunnel, and nothing outside it. Made before the first packet
 * of the carrier; dispose takes all of it away, but for the kill switch of a client that fails.
 */
export class Gateway implements Disposable {
  readonly #config: GatewayConfig;
  readonly #o: Tools;
  readonly #netlink: Netlink;
  readonly #networks: GatewayNetworks;
  readonly #journal: Journal;
  /** Of the journal. */
  readonly #folder: string;
  /** Part of the names of what is made. */
  readonly #id: string;
  readonly #leftovers: readonly Leftover[];
  readonly #program: FilterProgram | null;
  #switch: KillSwitch | null = null;
  #marks: FilterChanges | null = null;
  #valid: Disposable | null = null;
  #route: DefaultRoute | null = null;
  #device: string | null = null;
  #isStarted = false;
  readonly #told = new Set<string>();

  /**
   * `folder`: of the journal. `leftovers`: kill switches of dead processes.
   * @throws {TtunError} privilege, system
   */
  constructor(
    config: GatewayConfig,
    folder: string,
    o: Tools,
    leftovers: readonly Leftover[],
  ) {
    this.#config = config;
    this.#o = o;
    this.#leftovers = leftovers;
    this.#folder = folder;
    const { pid, start } = ownIdentity(o.libc);
    this.#id = `${pid}_${start}`;
    using opened = new DisposableStack();
    this.#netlink = opened.use(new Netlink(o.libc));
    this.#networks = new GatewayNetworks(this.#netlink, config.exclude);
    this.#program = config.killSwitch || this.#hasStrictReturnPath() ? findFilterProgram() : null;
    this.#journal = opened.use(new Journal(o.libc, folder, "gateway"));
    if (config.killSwitch) this.#setSwitch();
    opened.move();
  }

  /** Routes for a kernel without rules; none for one that has them. */
  get halfRoutes(): readonly Cidr[] {
    if (!this.#config.defaultRoute) return [];
    return halfRoutes({ ...this.#o, netlink: this.#netlink });
  }

  /** Routes all traffic by the device, which is configured. @throws {TtunError} privilege, system */
  begin(device: string): void {
    const { libc, log } = this.#o;
    this.#device = device;
    const tunnel = this.#networks.setDevice(device);
    this.#followSwitch();
    if (!this.#config.defaultRoute) return;
    this.#setMarks();
    const { table, besideText } = this.#networks;
    const [netlink, journal] = [this.#netlink, this.#journal];
    const o = { libc, netlink, journal, device, tunnel, mark: CARRIER_MARK };
    this.#route = new DefaultRoute(o, table);
    log.info("all traffic goes through the tunnel", {
      device,
      table: this.#route.table,
      mark: CARRIER_MARK,
      beside: besideText,
    });
  }

  /** From now on a failure leaves the kill switch in force. */
  started(): void {
    this.#isStarted = true;
  }

  /** `servers`: the IP addresses of the tunnel's name servers that the machine asks. */
  useNameServers(servers: readonly string[]): void {
    this.#networks.nameServers = servers.map(parseCidr);
    this.update();
  }

  /** Asks the kernel for a part. */
  get status(): Pick<EndStatus, "defaultRoute" | "killSwitch"> {
    return {
      ...(this.#config.defaultRoute && { defaultRoute: this.#routeStatus }),
      ...(this.#config.killSwitch && { killSwitch: this.#switch !== null }),
    };
  }

  get #routeStatus(): DefaultRouteStatus {
    const table = this.#route?.table;
    const known = { ...(table !== undefined && { table }) };
    return { isInForce: this.#networks.isUp, ...known, beside: this.#networks.beside };
  }

  /** To be called when links, addresses or routes have changed. */
  update(): void {
    this.#restoreFilter();
    try {
      // Without its link the device has no routes; another change tells when it has it again.
      if (!this.#networks.isUp) return;
      this.#route?.update(this.#networks.table);
      this.#followSwitch();
    } catch (thrown) {
      if (!(thrown instanceof NativeError || thrown instanceof TtunError)) throw thrown;
      this.#tell(`Cannot follow a change of the network: ${thrown.message}`);
    }
  }

  /**
   * Puts back at once what others take from the packet filter, until dispose. With an iptables that
   * is not nftables' it is done with changes of the network and with sessions alone.
   */
  watchFilter(reactor: Reactor | null): Disposable | null {
    if (reactor === null || (this.#switch === null && this.#marks === null)) return null;
    try {
      return new FilterWatch(reactor, () => this.#restoreFilter());
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      this.#o.log.debug(`Cannot watch for changes of the packet filter: ${error.message}`);
      return null;
    }
  }

  #restoreFilter(): void {
    const { log } = this.#o;
    try {
      this.#withPrograms(() => {
        if (this.#switch?.restore()) {
          log.warn("another program took away or changed the kill switch: it is in force again");
        }
        if (this.#marks?.restore()) log.debug("the marks of the server's answers are back");
      });
    } catch (thrown) {
      if (!(thrown instanceof NativeError || thrown instanceof TtunError)) throw thrown;
      this.#tell(`Cannot put back rules of the packet filter: ${thrown.message}`);
    }
  }

  get #wishes(): KillSwitchWishes {
    const { kept } = this.#networks;
    const { exclude } = this.#config;
    const { ownsNames } = this.#o;
    return { device: this.#device, mark: CARRIER_MARK, kept, exclude, ownsNames };
  }

  #setSwitch(): void {
    const { libc, log } = this.#o;
    const [program, journal, id] = [this.#program, this.#journal, this.#id];
    if (program === null) throw noFilterProgram("--kill-switch", libc);
    this.#withPrograms(() => {
      this.#switch = new KillSwitch({ libc, journal, program, id }, this.#wishes);
      // There is no moment without one: those of dead processes go when this one is there.
      this.#repairLeftovers();
    });
    const beside = this.#networks.besideText;
    log.info("nothing leaves this machine outside the tunnel", { program, beside });
  }

  #followSwitch(): void {
    const wishes = this.#wishes;
    const isOther = this.#withPrograms(() => this.#switch?.update(wishes));
    if (isOther !== true) return;
    const beside = this.#networks.besideText;
    this.#o.log.debug("the kill switch follows a change of the network", { beside });
  }

  /** A kill switch was in force before, so that a start that fails leaves one as well. */
  get #hadSwitch(): boolean {
    return this.#leftovers.some(({ open }) => open.some(({ outlives }) => outlives));
  }

  #repairLeftovers(): void {
    const { libc, log } = this.#o;
    for (const { what, failure } of repair(this.#leftovers, libc, { keepsOutliving: false })) {
      if (failure !== undefined) this.#tell(`Cannot take away ${what}: ${failure}`);
      else log.info("took away what a killed ttun had left", { what });
    }
  }

  /** True if a link drops packets whose source it would not answer by the same way (RFC 3704). */
  #hasStrictReturnPath(): boolean {
    const settings = (link: string) => `/proc/sys/net/ipv4/conf/${link}/rp_filter`;
    return ["all", "default", ...this.#networks.links].some((link) =>
      readSysctl(this.#o.libc, settings(link)) === "1"
    );
  }

  /** Answers to the carrier pass a strict rp_filter only with its mark. */
  #setMarks(): void {
    if (!this.#hasStrictReturnPath()) return;
    const { libc, log } = this.#o;
    if (this.#program === null) {
      return log.warn(`${STRICT_RP_FILTER} (neither nft nor iptables works here)`);
    }
    try {
      const rules = returnMarks(libc, this.#program, this.#id, CARRIER_MARK);
      this.#withPrograms(() => {
        this.#marks = new FilterChanges(libc, this.#journal, rules, { outlives: false });
        this.#valid = validMarks(libc, this.#journal, this.#folder);
      });
    } catch (thrown) {
      // A systemd unit may not write settings of the kernel: marks alone are of no use.
      this.#takeBack(() => this.#marks?.remove());
      this.#marks = null;
      if (!(thrown instanceof NativeError || thrown instanceof TtunError)) throw thrown;
      log.warn(`${STRICT_RP_FILTER} (${thrown.message})`);
    }
  }

  /** A user who is not root has the right to change the network, but programs do not inherit it. */
  #withPrograms<T>(run: () => T): T {
    using _passed = passToPrograms(this.#o.libc, CAP_NET_ADMIN);
    return run();
  }

  #tell(words: string): void {
    if (!this.#told.has(words)) this.#o.log.warn(words);
    this.#told.add(words);
  }

  [Symbol.dispose](): void {
    const { log, port: { isEndedOnPurpose } } = this.#o;
    this.#takeBack(() => this.#route?.[Symbol.dispose]());
    this.#takeBack(() => this.#valid?.[Symbol.dispose]());
    this.#takeBack(() => this.#marks?.remove());
    if (isEndedOnPurpose || (!this.#isStarted && !this.#hadSwitch)) {
      this.#takeBack(() => this.#switch?.remove());
      if (isEndedOnPurpose) this.#takeBack(() => this.#repairLeftovers());
    } else if (this.#switch !== null) {
      log.warn(
        "the kill switch stays in force, since ttun was not ended on purpose; to take it away, run: " +
          "sudo ttun doctor --repair",
      );
    }
    this.#journal[Symbol.dispose]();
    this.#netlink[Symbol.dispose]();
  }

  #takeBack(run: () => void): void {
    try {
      this.#withPrograms(run);
    } catch (thrown) {
      this.#o.log.warn(
        `Cannot take back what was changed: ${toTtunError(thrown).message}; ` +
          "run: sudo ttun doctor --repair",
      );
    }
  }
}
