import { type Cidr, formatCidr, formatIp, networkOf } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Paths } from "../../contract/routing.ts";
import { ServerRoutes } from "../../app/net/server_routes.ts";
import { bothEndsHere } from "../../core/net/both_ends.ts";
import {
  type Missing,
  missing,
  missingNames,
  missingText,
  onlyNamed,
} from "../../core/net/missing_settings.ts";
import { RepairLimit } from "../../core/net/repair_limit.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { Netlink } from "../../../ffi/linux/netlink.ts";
import { withPeer } from "../../io/netcfg/local_address.ts";
import { changeAddresses, type RefusedAddress } from "../../io/netcfg/linux.ts";
import { DeviceSettings } from "../../io/netcfg/device_settings.ts";
import { isOwnAddress, pathTo } from "../../io/netcfg/kernel_paths.ts";
import { KernelRoutes } from "../../io/netcfg/kernel_routes.ts";
import { NetworkWatch } from "../../io/netcfg/watch.ts";
import type { Reactor } from "../../io/reactor/reactor.ts";
import type { DeviceKeeper, KeptConfig } from "../platform/platform.ts";

/** The error for an address of the tunnel that is the server's, which then is unreachable. */
function isServers(host: string, advice: string): TtunError {
  return new TtunError(
    "usage",
    `Cannot use the address ${host} in the tunnel: the server itself is reached by it; ${advice}`,
  );
}

type Watch = Pick<NetworkWatch, "onChange"> & Disposable;

/** Opens the watch; in a sandbox without notifications, checks wait for a session. */
function openWatch(reactor: Reactor, log: Logger): Watch {
  try {
    return new NetworkWatch(reactor);
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    log.warn(`Cannot watch for changes of links, addresses and routes: ${error.message}`);
    const nothing = { [Symbol.dispose]: () => {} };
    return { onChange: () => nothing, ...nothing };
  }
}

/**
 * Restores what others remove, and keeps the path to the server out of the tunnel. Without
 * CAP_NET_ADMIN it only logs what is missing and how to restore it.
 */
export class LinuxKeeper implements DeviceKeeper {
  readonly paths: Paths;
  readonly #libc: Libc;
  /** A socket that is open for when descriptors run out. */
  readonly #netlink: Netlink;
  readonly #reactor: Reactor;
  readonly #device: string;
  readonly #log: Logger;
  readonly #settings: DeviceSettings;
  readonly #limit = new RepairLimit();
  readonly #watch: Watch;
  readonly #serverRoutes: ServerRoutes;
  #peer: string | undefined;
  readonly #told = new Set<string>();
  /** Routes that were not in the device's configuration, for one that stays. */
  #added: readonly Cidr[] = [];

  /** @throws {NativeError} if the device is gone or no netlink socket can be opened */
  constructor(
    { libc, reactor }: { readonly libc: Libc; readonly reactor: Reactor },
    device: string,
    config: KeptConfig,
    log: Logger,
  ) {
    this.#libc = libc;
    this.#reactor = reactor;
    this.#device = device;
    this.#log = log;
    using opened = new DisposableStack();
    const netlink = this.#netlink = opened.use(new Netlink(libc));
    const addresses = config.addresses.map((local) => withPeer(local, config.peers));
    this.#settings = new DeviceSettings(netlink, device, { ...config, addresses });
    const { index } = this.#settings;
    this.#serverRoutes = new ServerRoutes(new KernelRoutes(netlink), {
      tunnel: index,
      log,
      now: () => reactor.now(),
    });
    this.#serverRoutes.setNetworks(this.#settings.networks);
    this.#watch = openWatch(reactor, log);
    opened.move();
    this.#watch.onChange(
      (change) => change.index === index || this.#takesPlace(change),
      () => this.#check(),
    );
    // Registered before the users of paths, who need the new settings.
    this.#watch.onChange(
      ({ index: at, what }) => at !== index || what === "route",
      () => this.#serverRoutes.refresh(),
    );
    this.paths = {
      isExact: true,
      open: (host) => {
        if (this.#settings.isOwn(host)) throw isServers(host, "choose another one with --address");
        this.#serverRoutes.open(host);
      },
      keepOnly: (hosts) => this.#serverRoutes.keepOnly(hosts),
      to: (host, from) => pathTo(netlink, host, { tunnel: index, from, mark: config.mark }),
      isOwn: (host) => isOwnAddress(netlink, host),
      onChange: (run) => this.#watch.onChange(({ index: at }) => at !== index, run),
    };
  }

  /** Returns true for a route that may replace ours: only the new one is notified. */
  #takesPlace({ to, gone }: { readonly to?: Cidr; readonly gone: boolean }): boolean {
    return to !== undefined && !gone && this.#settings.hasRoute(to);
  }

  onAnyChange(run: () => void): Disposable {
    return this.#watch.onChange(() => true, run);
  }

  sessionBegins(peer?: string): void {
    this.#limit.resume();
    this.#check();
    this.#serverRoutes.refresh();
    this.#peer = peer;
    this.warnOfDuplicates();
  }

  conflictOf(network: Cidr, server: string | undefined): string | null {
    try {
      // With both ends on this machine, the other tunnel is the server's, which has its own warning.
      const isHere = server !== undefined && this.paths.isOwn(server);
      return this.#settings.conflictOf(network, isHere);
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      // A network that cannot be seen may be in conflict.
      return `something unknown, as its networks cannot be read (${error.message}),`;
    }
  }

  warnOfDuplicates(): void {
    for (const words of this.#tryNetlink(() => this.#uselessness()) ?? []) {
      if (!this.#told.has(words)) this.#log.warn(words);
      this.#told.add(words);
    }
  }

  #uselessness(): string[] {
    const isHere = this.#peer !== undefined && this.paths.isOwn(this.#peer);
    const words = isHere ? bothEndsHere(this.#settings.own, this.#settings.others()) : null;
    return words === null ? this.#settings.duplicates() : [words];
  }

  changeAddresses(
    _device: string,
    o: { remove: readonly Cidr[]; add: readonly Cidr[]; mtu: number },
  ): readonly RefusedAddress[] {
    for (const { bytes } of o.add) {
      if (!this.#serverRoutes.has(bytes)) continue;
      throw isServers(formatIp(bytes), "choose another network with --pool at the server");
    }
    const { networks } = this.#settings;
    this.#serverRoutes.setNetworks([...networks, ...o.add.map(networkOf)]);
    try {
      return changeAddresses(this.#libc, this.#netlink.link(this.#settings.index).name, o);
    } finally {
      this.#tryNetlink(() => this.#settings.addressesChanged(o));
      this.#serverRoutes.setNetworks(this.#settings.networks);
    }
  }

  changeRoutes(o: { remove: readonly Cidr[]; add: readonly Cidr[] }): readonly TtunError[] {
    const removed = new Set(o.remove.map(formatCidr));
    this.#added = [...this.#added.filter((to) => !removed.has(formatCidr(to))), ...o.add];
    const failures = this.#tryNetlink(() => this.#settings.changeRoutes(o)) ?? [];
    this.#serverRoutes.setNetworks(this.#settings.networks);
    return failures;
  }

  #check(): void {
    this.#tryNetlink(() => this.#compare());
  }

  #missing(): Missing | null {
    const present = this.#settings.present();
    if (present === null) this.#tellGone();
    return present === null ? null : missing(this.#settings.wanted, present);
  }

  /** Logs that the device is gone; if it was removed, its reader ends everything before. */
  #tellGone(): void {
    const words =
      `${this.#device} is not in this network namespace any more, and its addresses and routes are ` +
      "gone with it: what was to go through the tunnel may leave by another link; whoever has moved " +
      "the device sets it up where it is now";
    if (!this.#told.has(words)) this.#log.warn(words);
    this.#told.add(words);
  }

  #compare(): void {
    const what = this.#missing();
    const { repair, leave } = this.#limit.next(
      what === null ? [] : missingNames(what),
      this.#reactor.now(),
    );
    if (what === null) return;
    if (leave.length > 0) {
      this.#log.warn(
        `${this.#device} has lost something for the fourth time within a minute: it is left so, since ` +
          "somebody wants it; it is looked at again when a session begins",
        { missing: missingText(onlyNamed(what, leave)) },
      );
    }
    const rest = onlyNamed(what, repair);
    // Nothing can be restored while somebody keeps the link down.
    if (repair.length > 0 && (!what.up || rest.up)) this.#repair(rest);
  }

  #repair(found: Missing): void {
    let what = found;
    let failures = this.#settings.putBack(what);
    // The check ran while the link was going down, which is complete only now.
    if (failures.length > 0 && !what.up && this.#missing()?.up === true) {
      what = { ...found, up: true };
      failures = this.#settings.putBack(what);
    }
    const facts = { device: this.#device, missing: missingText(what) };
    if (failures.length === 0) {
      this.#log.warn("put back what another program has taken from the device", facts);
      return;
    }
    this.#log.warn("something is missing at the device and cannot be put back", facts);
    for (const { message } of failures) this.#log.warn(message);
  }

  /** Logs a failure of netlink itself; the next change or session tries again. */
  #tryNetlink<T>(run: () => T): T | null {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      this.#log.warn(`Cannot look after ${this.#device}: ${error.message}`);
      return null;
    }
  }

  [Symbol.dispose](): void {
    if (this.#added.length > 0) this.changeRoutes({ remove: this.#added, add: [] });
    this.#watch[Symbol.dispose]();
    this.#serverRoutes[Symbol.dispose]();
    this.#netlink[Symbol.dispose]();
  }
}
