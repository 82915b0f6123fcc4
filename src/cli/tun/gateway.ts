import { type Cidr, formatCidr } from "../../base/addr.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import {
  type KeptNetwork,
  killSwitchIptables,
  killSwitchNft,
} from "../../core/net/kill_switch_rules.ts";
import { keptNetworks, type TableEntry, tunnelTable } from "../../core/net/tunnel_table.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { Netlink } from "../../../ffi/linux/netlink.ts";
import { CAP_NET_ADMIN, passToPrograms } from "../../../ffi/linux/user.ts";
import { NativeError } from "../../../ffi/native.ts";
import { Journal } from "../../io/changes/journal.ts";
import { findLeftovers, type Leftover, repair } from "../../io/changes/repair.ts";
import { readSysctl } from "../../io/changes/sysctl.ts";
import { ownIdentity } from "../../io/changes/process_identity.ts";
import { DefaultRoute, familiesWithRules } from "../../io/netcfg/default_route.ts";
import {
  FilterChanges,
  type FilterProgram,
  type FilterRules,
  findFilterProgram,
  iptablesRules,
  nftRules,
  noFilterProgram,
} from "../../io/netcfg/kill_switch.ts";
import { returnMarks } from "../../io/netcfg/return_marks.ts";
import { CARRIER_MARK } from "./carrier_mark.ts";
import type { GatewayConfig } from "./plane_config.ts";

interface Tools {
  readonly libc: Libc;
  readonly log: Logger;
  /** Aborts when the user ends the program. */
  readonly signal: AbortSignal;
}

const STRICT_RP_FILTER = "rp_filter is strict here, and what makes up for it cannot be set: the " +
  "server's answers may be dropped; run: sudo sysctl -w net.ipv4.conf.all.rp_filter=2";

/** A setting that there is not in a kernel without IPv6. */
const IPV6_OFF = "/proc/sys/net/ipv6/conf/all/disable_ipv6";

/** Halves of all addresses: more specific than the default routes, which stay as they are. */
const HALVES: Readonly<Record<4 | 6, readonly Cidr[]>> = {
  4: [0, 128].map((first) => half(4, first)),
  6: [0, 128].map((first) => half(6, first)),
};

function half(family: 4 | 6, first: number): Cidr {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  bytes[0] = first;
  return { family, bytes, prefix: 1 };
}

/**
 * Repairs what dead processes have left but for their kill switches, and returns those. Failures are
 * for the log: the start goes on.
 */
export function repairAtStart(
  folder: string,
  { libc, log }: Pick<Tools, "libc" | "log">,
): Leftover[] {
  try {
    const done = repair(findLeftovers(libc, folder), libc, { keepsOutliving: true });
    for (const { pid, what, failure } of done) {
      if (failure === undefined) log.info("took away what a killed ttun had left", { pid, what });
      else log.warn("cannot take away what a killed ttun has left", { pid, what, why: failure });
    }
    return findLeftovers(libc, folder);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    log.warn("cannot look for what killed ttuns have left", { why: error.message });
    return [];
  }
}

/**
 * All traffic of the machine through the tunnel, and nothing outside it. Made before the first packet
 * of the carrier; dispose takes all of it away, but for the kill switch of a client that fails.
 */
export class Gateway implements Disposable {
  readonly #config: GatewayConfig;
  readonly #o: Tools;
  readonly #netlink: Netlink;
  readonly #journal: Journal;
  /** Part of the names of what is made. */
  readonly #id: string;
  readonly #leftovers: readonly Leftover[];
  readonly #program: FilterProgram | null;
  #switch: FilterChanges | null = null;
  #marks: FilterChanges | null = null;
  #route: DefaultRoute | null = null;
  #device: { readonly name: string; readonly index: number } | null = null;
  #applied = "";
  #isStarted = false;
  readonly #told = new Set<string>();

  /** `leftovers`: kill switches of dead processes. @throws {TtunError} privilege, system */
  constructor(
    config: GatewayConfig,
    folder: string,
    o: Tools,
    leftovers: readonly Leftover[],
  ) {
    this.#config = config;
    this.#o = o;
    this.#leftovers = leftovers;
    const { pid, start } = ownIdentity(o.libc);
    this.#id = `${pid}_${start}`;
    using opened = new DisposableStack();
    this.#netlink = opened.use(new Netlink(o.libc));
    this.#program = config.killSwitch || this.#hasStrictReturnPath() ? findFilterProgram() : null;
    this.#journal = opened.use(new Journal(o.libc, folder, "gateway"));
    if (config.killSwitch) this.#setSwitch();
    opened.move();
  }

  /** Routes for a kernel without rules; none for one that has them. */
  get halfRoutes(): readonly Cidr[] {
    if (!this.#config.defaultRoute) return [];
    const families = familiesWithRules(this.#netlink);
    const hasV6 = readSysctl(this.#o.libc, IPV6_OFF) !== null;
    const lacking = ([4, 6] as const).filter((family) =>
      !families.includes(family) && (family === 4 || hasV6)
    );
    if (lacking.length > 0) {
      this.#o.log.warn(
        "this kernel has no routing rules: all traffic goes through the tunnel by half routes, " +
          "which more specific routes come before, those that DHCP sets too; --exclude does nothing",
        { families: lacking.map((family) => `IPv${family}`).join(",") },
      );
    }
    return lacking.flatMap((family) => HALVES[family]);
  }

  /** Routes all traffic by the device, which is configured. @throws {TtunError} privilege, system */
  begin(device: string): void {
    const { libc, log } = this.#o;
    const { index } = this.#netlink.link(device);
    this.#device = { name: device, index };
    if (this.#config.killSwitch) this.#setSwitch();
    if (!this.#config.defaultRoute) return;
    this.#setMarks();
    const route = new DefaultRoute(
      {
        libc,
        netlink: this.#netlink,
        journal: this.#journal,
        device,
        tunnel: index,
        mark: CARRIER_MARK,
      },
      this.#wanted(),
    );
    this.#route = route;
    log.info("all traffic goes through the tunnel", {
      device,
      table: route.table,
      mark: CARRIER_MARK,
      beside: this.#besideText(),
    });
  }

  /** From now on a failure leaves the kill switch in force. */
  started(): void {
    this.#isStarted = true;
  }

  /** To be called when links, addresses or routes have changed. */
  update(): void {
    try {
      // Without its link the device has no routes; another change tells when it has it again.
      if (!this.#netlink.link(this.#device!.index).up) return;
      this.#route?.update(this.#wanted());
      if (this.#switch !== null) this.#setSwitch();
    } catch (thrown) {
      if (!(thrown instanceof NativeError || thrown instanceof TtunError)) throw thrown;
      this.#tell(`Cannot follow a change of the network: ${thrown.message}`);
    }
  }

  #wanted(): TableEntry[] {
    const { index } = this.#device!;
    const own = this.#netlink.addresses(index).map(({ local }) => local)
      .filter((local) => !isLinkLocalV6(local));
    return tunnelTable({
      families: ([4, 6] as const).filter((one) => own.some(({ family }) => family === one)),
      own: this.#ownNetworks(),
      connected: this.#connected().map(({ network }) => network),
      exclude: this.#config.exclude,
    });
  }

  #ownNetworks(): Cidr[] {
    const index = this.#device?.index;
    return index === undefined ? [] : this.#netlink.routes(index).map(({ to }) => to);
  }

  /** The networks of other links' addresses. */
  #connected(): KeptNetwork[] {
    const names = new Map<number, string>();
    const nameOf = (index: number) => {
      const name = names.get(index) ?? this.#netlink.link(index).name;
      names.set(index, name);
      return name;
    };
    return this.#netlink.allAddresses()
      .filter(({ index }) => index !== this.#device?.index)
      .map(({ index, local, peer }) => ({ link: nameOf(index), network: peer ?? local }));
  }

  #kept(): KeptNetwork[] {
    const own = this.#ownNetworks();
    return this.#connected().flatMap(({ link, network }) =>
      keptNetworks([network], own).map((kept) => ({ link, network: kept }))
    );
  }

  #besideText(): string {
    const kept = this.#kept().map(({ link, network }) => `${formatCidr(network)} on ${link}`);
    return [...new Set([...kept, ...this.#config.exclude.map(formatCidr)])].join(", ");
  }

  #setSwitch(): void {
    const rules = this.#switchRules();
    if (rules === null) throw noFilterProgram("--kill-switch");
    if (rules.text === this.#applied) return;
    const { libc } = this.#o;
    this.#withPrograms(() => {
      if (this.#switch === null) {
        this.#switch = new FilterChanges(libc, this.#journal, rules, { outlives: true });
        // There is no moment without one: those of dead processes go when this one is there.
        this.#repairLeftovers();
      } else this.#switch.replace(rules);
    });
    const isFirst = this.#applied === "";
    this.#applied = rules.text;
    const facts = { program: this.#program ?? "", beside: this.#besideText() };
    if (isFirst) this.#o.log.info("nothing leaves this machine outside the tunnel", facts);
    else this.#o.log.debug("the kill switch follows a change of the network", facts);
  }

  #repairLeftovers(): void {
    const { libc, log } = this.#o;
    for (const { what, failure } of repair(this.#leftovers, libc, { keepsOutliving: false })) {
      if (failure !== undefined) this.#tell(`Cannot take away ${what}: ${failure}`);
      else log.info("took away what a killed ttun had left", { what });
    }
  }

  #switchRules(): FilterRules & { readonly text: string } | null {
    const wishes = {
      device: this.#device?.name ?? null,
      mark: CARRIER_MARK,
      kept: this.#kept(),
      exclude: this.#config.exclude,
    };
    if (this.#program === "nft") {
      const text = killSwitchNft(`ttun_${this.#id}`, wishes);
      return { ...nftRules(`ttun_${this.#id}`, text), text };
    }
    if (this.#program === null) return null;
    const chains = { OUTPUT: `ttun-o-${this.#id}`, FORWARD: `ttun-f-${this.#id}` };
    const texts = {
      4: killSwitchIptables(4, chains, wishes),
      6: killSwitchIptables(6, chains, wishes),
    };
    return { ...iptablesRules("filter", chains, texts), text: texts[4] + texts[6] };
  }

  /** True if a link drops packets whose source it would not answer by the same way (RFC 3704). */
  #hasStrictReturnPath(): boolean {
    const links = new Set(["all", "default", ...this.#connected().map(({ link }) => link)]);
    return [...links].some((link) =>
      readSysctl(this.#o.libc, `/proc/sys/net/ipv4/conf/${link}/rp_filter`) === "1"
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
      });
    } catch (thrown) {
      // A systemd unit may not write settings of the kernel.
      if (!(thrown instanceof NativeError || thrown instanceof TtunError)) throw thrown;
      log.warn(`${STRICT_RP_FILTER} (${thrown.message})`);
    }
  }

  /** A user who is not root has the right to change the network, but programs do not inherit it. */
  #withPrograms(run: () => void): void {
    using _passed = passToPrograms(this.#o.libc, CAP_NET_ADMIN);
    run();
  }

  #tell(words: string): void {
    if (!this.#told.has(words)) this.#o.log.warn(words);
    this.#told.add(words);
  }

  [Symbol.dispose](): void {
    const { log, signal } = this.#o;
    const attempt = (run: () => void) => {
      try {
        this.#withPrograms(run);
      } catch (thrown) {
        log.warn(
          `Cannot take back what was changed: ${toTtunError(thrown).message}; ` +
            "run: sudo ttun doctor --repair",
        );
      }
    };
    attempt(() => this.#route?.[Symbol.dispose]());
    attempt(() => this.#marks?.remove());
    if (signal.aborted || !this.#isStarted) {
      attempt(() => this.#switch?.remove());
      if (signal.aborted) {
        attempt(() => this.#repairLeftovers());
      }
    } else if (this.#switch !== null) {
      log.warn(
        "the kill switch stays in force, since ttun was not ended on purpose; to take it away, run: " +
          "sudo ttun doctor --repair",
      );
    }
    this.#journal[Symbol.dispose]();
    this.#netlink[Symbol.dispose]();
  }
}

function isLinkLocalV6({ family, bytes }: Cidr): boolean {
  return family === 6 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
}
