import { type Cidr, networkOf } from "../base/addr.ts";
import type { TtunError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Paths } from "../contract/routing.ts";
import { ServerRoutes } from "../app/server_routes.ts";
import { type Missing, missing, missingText } from "../core/net/device_state.ts";
import { RepairLimit } from "../core/net/repair_limit.ts";
import type { Libc } from "../../ffi/libc.ts";
import { withPeer } from "../io/local_address.ts";
import { changeAddresses } from "../io/netcfg.ts";
import { DeviceState } from "../io/netcfg/device_state.ts";
import { isOwnAddress, pathTo } from "../io/netcfg/kernel_paths.ts";
import { KernelRoutes } from "../io/netcfg/kernel_routes.ts";
import { NetworkWatch } from "../io/netcfg/watch.ts";
import type { Reactor } from "../io/reactor.ts";
import type { DeviceKeeper, KeptConfig } from "./machine.ts";

/**
 * Linux: watches the device and puts back what others take away, and keeps the way to the server
 * out of the tunnel. What it does takes CAP_NET_ADMIN; without, it says what is missing and how it
 * is put back.
 */
export class LinuxKeeper implements DeviceKeeper {
  readonly paths: Paths;
  readonly #libc: Libc;
  readonly #reactor: Reactor;
  readonly #device: string;
  readonly #log: Logger;
  readonly #state: DeviceState;
  readonly #limit = new RepairLimit();
  readonly #watch: NetworkWatch;
  readonly #serverRoutes: ServerRoutes;
  /** Sentences that have been said, and need not be said again. */
  readonly #told = new Set<string>();

  /** @throws {NativeError} where the device is gone, or there is no netlink socket to be had */
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
    const addresses = config.addresses.map((local) => withPeer(local, config.peers));
    this.#state = new DeviceState(libc, device, { ...config, addresses });
    const { index } = this.#state;
    this.#serverRoutes = new ServerRoutes(new KernelRoutes(libc), index, log);
    this.#serverRoutes.setNetworks(this.#state.networks);
    this.#watch = new NetworkWatch(reactor);
    this.#watch.onChange(
      (change) => change.index === index || this.#takesPlace(change),
      () => this.#check(),
    );
    // Before those who look at the ways: they shall see what has become of them.
    this.#watch.onChange((change) => change.index !== index, () => this.#serverRoutes.refresh());
    this.paths = {
      isExact: true,
      open: (host) => this.#serverRoutes.open(host),
      keepOnly: (hosts) => this.#serverRoutes.keepOnly(hosts),
      to: (host) => pathTo(libc, host, index),
      isOwn: (host) => isOwnAddress(libc, host),
      onChange: (run) => this.#watch.onChange((change) => change.index !== index, run),
    };
  }

  /** A route that replaces another is told of, the one that is replaced is not. */
  #takesPlace({ to, gone }: { readonly to?: Cidr; readonly gone: boolean }): boolean {
    return to !== undefined && !gone && this.#state.hasRoute(to);
  }

  sessionBegins(): void {
    this.#limit.resume();
    this.#check();
    for (const words of this.#state.duplicates()) {
      if (!this.#told.has(words)) this.#log.warn(words);
      this.#told.add(words);
    }
  }

  changeAddresses(
    device: string,
    o: { remove: readonly Cidr[]; add: readonly Cidr[]; mtu: number },
  ): readonly TtunError[] {
    const { networks } = this.#state;
    this.#serverRoutes.setNetworks([...networks, ...o.add.map(networkOf)]);
    try {
      return changeAddresses(this.#libc, device, o);
    } finally {
      this.#state.addressesChanged(o);
      this.#serverRoutes.setNetworks(this.#state.networks);
    }
  }

  #check(): void {
    const present = this.#state.present();
    if (present === null) return; // its reader finds out as well, and ends everything
    const what = missing(this.#state.wanted, present);
    if (what === null) {
      this.#limit.resume();
      return;
    }
    const text = missingText(what);
    const next = this.#limit.next(this.#reactor.now());
    if (next === "repair") return this.#repair(what, text);
    if (next === "left") return;
    this.#log.warn(
      `${this.#device} has lost something for the fourth time within a minute: it is left as it is, ` +
        "since somebody wants it so; it is looked at again when a session begins",
      { missing: text },
    );
  }

  #repair(what: Missing, text: string): void {
    const failures = this.#state.putBack(what);
    if (failures.length === 0) {
      this.#log.warn("put back what another program has taken from the device", {
        device: this.#device,
        missing: text,
      });
      return;
    }
    this.#log.warn(`${this.#device} has lost something that cannot be put back`, { missing: text });
    for (const { message } of failures) this.#log.warn(message);
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#serverRoutes[Symbol.dispose]();
  }
}
