import { type Cidr, formatCidr, networkOf, withoutDoubles } from "../../base/addr.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import {
  droppingChain,
  type NatChain,
  natIptables,
  natNft,
  type NatWishes,
  type Uplink,
} from "../../core/net/nat_rules.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { CAP_NET_ADMIN, passToPrograms } from "../../../ffi/linux/capabilities.ts";
import { Netlink } from "../../../ffi/linux/netlink.ts";
import { RTPROT_RA } from "../../../ffi/linux/netlink_route.ts";
import { Journal } from "../../io/changes/journal.ts";
import { ownIdentity } from "../../io/changes/process_identity.ts";
import { ownFolder } from "../status/folders.ts";
import { runCommand } from "../../io/netcfg/command_steps.ts";
import { FilterWatch } from "../../io/netcfg/filter_watch.ts";
import type { Reactor } from "../../io/reactor/reactor.ts";
import { switchForwardingOn } from "../../io/netcfg/forwarding.ts";
import {
  FilterChanges,
  type FilterProgram,
  type FilterRules,
  findFilterProgram,
  ipFamilies,
  iptablesRules,
  nftRules,
  noFilterProgram,
} from "../../io/netcfg/filter_rules.ts";

const AUTO = "auto";

interface NatTools {
  readonly libc: Libc;
  readonly log: Logger;
}

export interface NatOptions extends NatTools {
  /** The interface by which clients reach other networks; "auto" = that of the default route. */
  readonly uplink: string;
  /** The tunnel's device. */
  readonly device: string;
  /** Networks of the device and of options. */
  readonly networks: readonly Cidr[];
  readonly behindClients: readonly Cidr[];
}

/**
 * Makes this machine the gateway of a tunnel's clients. Dispose takes back what was changed. A user
 * who is not root has kept the right to change the network, but programs do not inherit it.
 */
export class NatGateway implements Disposable {
  readonly #o: NatOptions;
  readonly #opened: DisposableStack;
  readonly #program: FilterProgram;
  readonly #token: string;
  readonly #rules: FilterChanges[] = [];
  readonly #families: readonly (4 | 6)[];
  #uplinks: readonly Uplink[];
  #behindClients: readonly Cidr[];

  /** @throws {TtunError} usage, privilege, system */
  constructor(o: NatOptions) {
    this.#o = o;
    const { device, libc, log, uplink } = o;
    this.#behindClients = o.behindClients;
    this.#uplinks = findUplinks(uplink, libc);
    if (this.#uplinks.length === 0) throw noUplink();
    this.#families = this.#uplinks.map(({ family }) => family);
    const folder = ownFolder();
    if (folder === null) throw noFolder();
    const program = findFilterProgram();
    if (program === null) throw noFilterProgram("--nat", libc);
    this.#program = program;
    const { pid, start } = ownIdentity(libc);
    this.#token = `${pid}_${start}`;
    using opened = new DisposableStack();
    const journal = opened.use(new Journal(libc, folder, "nat"));
    for (const rules of this.#wanted()) {
      const change = new FilterChanges(libc, journal, rules, { outlives: false });
      this.#rules.push(opened.adopt(change, (it) => it.remove()));
    }
    const links6 = new Set(
      this.#uplinks.filter(({ family }) => family === 6).map(({ link }) => link),
    );
    for (const link of linksWithRouters(libc)) links6.add(link);
    const forwarding = attempt(
      "let this machine forward packets",
      () => opened.use(switchForwardingOn({ libc, journal, folder }, this.#families, [...links6])),
    );
    this.#opened = opened.move();
    log.info("clients reach what this machine reaches, by its address", {
      uplinks: uplinksText(this.#uplinks),
      networks: this.#networks.filter(({ family }) => this.#families.includes(family))
        .map(formatCidr).join(","),
      program,
      forwarding: forwarding.isOurs ? "switched on" : "on already",
    });
    if (program === "nft") warnOfDrops(device, log);
  }

  /** Interfaces by which clients reach other networks, with their families. */
  get uplinks(): string[] {
    return this.#uplinks.map(uplinkText);
  }

  /** Puts back at once what others take from the packet filter, until dispose. */
  watchFilter(reactor: Reactor | null): Disposable | null {
    const { log } = this.#o;
    try {
      return reactor === null ? null : new FilterWatch(reactor, () => this.#restore());
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      log.debug(`Cannot watch for changes of the packet filter: ${error.message}`);
      return null;
    }
  }

  #restore(): void {
    const { libc, log } = this.#o;
    try {
      using _passed = passToPrograms(libc, CAP_NET_ADMIN);
      const restored = this.#rules.filter((rules) => rules.restore());
      if (restored.length === 0) return;
      log.warn("another program took away or changed the rules of --nat: they are in force again");
    } catch (thrown) {
      if (!(thrown instanceof NativeError || thrown instanceof TtunError)) throw thrown;
      log.warn(`Cannot put back the rules of --nat: ${thrown.message}`);
    }
  }

  /** Follows the default routes, if they are to be followed; to be called when routes have changed. */
  update(): void {
    const { libc, log, uplink } = this.#o;
    if (uplink !== AUTO) return;
    try {
      const found = findUplinks(uplink, libc).filter(({ family }) =>
        this.#families.includes(family)
      );
      // A family whose default route is gone for a while keeps its uplink.
      const next = this.#uplinks.map((old) =>
        found.find(({ family }) => family === old.family) ?? old
      );
      if (uplinksText(next) === uplinksText(this.#uplinks)) return;
      this.#uplinks = next;
      using _passed = passToPrograms(libc, CAP_NET_ADMIN);
      this.#wanted().forEach((rules, i) => this.#rules[i]!.replace(rules));
      log.info("the way of clients has changed", { uplinks: uplinksText(next) });
    } catch (thrown) {
      if (!(thrown instanceof NativeError || thrown instanceof TtunError)) throw thrown;
      log.warn(`Cannot follow a change of the default route: ${thrown.message}`);
    }
  }

  /** Other networks are behind clients now. */
  behindClients(networks: readonly Cidr[]): void {
    const { libc, log } = this.#o;
    this.#behindClients = networks;
    try {
      using _passed = passToPrograms(libc, CAP_NET_ADMIN);
      this.#wanted().forEach((rules, i) => this.#rules[i]!.replace(rules));
    } catch (thrown) {
      if (!(thrown instanceof NativeError || thrown instanceof TtunError)) throw thrown;
      log.warn(`Cannot change the networks of --nat: ${thrown.message}`);
    }
  }

  get #networks(): Cidr[] {
    return withoutDoubles([...this.#o.networks, ...this.#behindClients].map(networkOf));
  }

  #wanted(): FilterRules[] {
    const { device, libc } = this.#o;
    return natRules(this.#program, ipFamilies(libc), this.#token, {
      device,
      uplinks: this.#uplinks,
      networks: this.#networks.filter(({ prefix }) => prefix > 0),
    });
  }

  [Symbol.dispose](): void {
    const { libc, log } = this.#o;
    try {
      using _passed = passToPrograms(libc, CAP_NET_ADMIN);
      this.#opened.dispose();
    } catch (thrown) {
      log.warn(
        `Cannot take back all of what --nat has changed: ${toTtunError(thrown).message}; run: ` +
          "sudo ttun doctor --repair",
      );
    }
  }
}

function uplinksText(uplinks: readonly Uplink[]): string {
  return uplinks.map(uplinkText).join(", ");
}

function uplinkText({ family, link }: Uplink): string {
  return `${link} (IPv${family})`;
}

/** A packet that one table of nftables accepts may still be dropped by another. */
function warnOfDrops(device: string, log: Logger): void {
  const chain = droppingChain(runCommand(["nft", "-j", "list", "chains"]).output);
  if (chain === null) return;
  log.warn(
    "the packet filter of this machine drops what it forwards unless a rule lets it through: if " +
      `clients reach nothing, add rules for ${device}`,
    { chain, example: `iptables -I FORWARD -i ${device} -j ACCEPT (and with -o, and ip6tables)` },
  );
}

/**
 * Returns the rules of --nat. `families`: of the kernel. `token`: letters, digits and underscores that
 * no other process has.
 */
function natRules(
  program: FilterProgram,
  families: readonly (4 | 6)[],
  token: string,
  wishes: NatWishes,
): FilterRules[] {
  if (program === "nft") {
    const table = `ttun_nat_${token}`;
    return [nftRules(table, natNft(table, wishes))];
  }
  return natIptables(wishes).map(({ table, builtIn, text }) => {
    const chain = chainName(table, token);
    return iptablesRules(families, table, { [builtIn]: chain }, {
      4: text(4, chain),
      6: text(6, chain),
    });
  });
}

/** A name of a chain has 28 characters at most. */
function chainName(table: NatChain["table"], token: string): string {
  return `ttun-${table[0]}-${token}`;
}

/** Without a default route there is none for "auto". @throws {TtunError} usage */
function findUplinks(nat: string, libc: Libc): Uplink[] {
  using netlink = new Netlink(libc);
  if (nat !== AUTO) {
    try {
      netlink.link(nat);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      throw new TtunError(
        "usage",
        `Cannot use --nat ${nat}: this machine has no such interface; see: ip link`,
      );
    }
    return [{ family: 4, link: nat }, { family: 6, link: nat }];
  }
  const defaults = netlink.routes()
    .filter(({ to, isUnicast, isDead }) => to.prefix === 0 && isUnicast && !isDead)
    .toSorted((a, b) => a.metric - b.metric);
  return ([4, 6] as const).flatMap((family): Uplink[] => {
    const first = defaults.find(({ to }) => to.family === family);
    return first === undefined ? [] : [{ family, link: netlink.link(first.index).name }];
  });
}

/** Returns the links whose default route of IPv6 a router has advertised. */
function linksWithRouters(libc: Libc): string[] {
  using netlink = new Netlink(libc);
  return netlink.routes()
    .filter(({ to, protocol }) => to.family === 6 && to.prefix === 0 && protocol === RTPROT_RA)
    .map(({ index }) => netlink.link(index).name);
}

function noUplink(): TtunError {
  return new TtunError(
    "system",
    "Cannot find the way to the internet for --nat auto: this machine has no default route; name " +
      "the interface, as --nat eth0",
  );
}

function noFolder(): TtunError {
  return new TtunError(
    "system",
    "Cannot write down what --nat changes on this machine: there is no folder for it; run ttun as " +
      "root, or name one in RUNTIME_DIRECTORY",
  );
}

/** @throws {TtunError} privilege, system */
function attempt<T>(doing: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Error) || error instanceof TtunError) throw error;
    const isRefused = error instanceof NativeError && error.is("EACCES", "EPERM");
    throw new TtunError(
      isRefused ? "privilege" : "system",
      `Cannot ${doing}: ${error.message}; run ttun as root, in a container with writable ` +
        "/proc/sys/net, or switch it on before",
      { cause: error },
    );
  }
}
