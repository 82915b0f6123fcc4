import { type Cidr, formatCidr, ipBytes, networkOf } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import { withoutZone } from "../../base/zone.ts";
import { routeRefusal } from "../../core/net/pushed_policy.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { Netlink } from "../../../ffi/linux/netlink.ts";
import { type Change, Journal } from "../../io/changes/journal.ts";
import type { DeviceKeeper } from "../platform/platform.ts";

/** Routes by the device that the server of the present session pushes. Dispose takes them out. */
export class PushedRoutes implements Disposable {
  readonly #netlink: Netlink;
  readonly #index: number;
  readonly #keeper: Pick<DeviceKeeper, "conflictOf">;
  readonly #exclude: readonly Cidr[];
  readonly #log: Logger;
  readonly #device: string;
  /** Null = the routes go with the device. */
  readonly #journal: Journal | null;
  #present: { readonly to: Cidr; readonly change: Change | null }[] = [];
  readonly #told = new Set<string>();

  /** @throws {NativeError} if the device is gone */
  constructor(
    device: string,
    { exclude, folder, keeper, libc, log }: {
      /** Networks that the user keeps beside the tunnel. */
      readonly exclude: readonly Cidr[];
      readonly keeper: Pick<DeviceKeeper, "conflictOf">;
      /** Of the journal, for a device that stays when this process ends; null = it goes with it. */
      readonly folder: string | null;
      readonly libc: Libc;
      readonly log: Logger;
    },
  ) {
    this.#device = device;
    this.#keeper = keeper;
    this.#exclude = exclude;
    this.#journal = folder === null ? null : new Journal(libc, folder, "routes");
    this.#log = log;
    using opened = new DisposableStack();
    this.#netlink = opened.use(new Netlink(libc));
    this.#index = this.#netlink.link(device).index;
    opened.move();
  }

  /** Those that are there now. */
  get present(): readonly Cidr[] {
    return this.#present.map(({ to }) => to);
  }

  /** Adds those that a server may push, in place of the present ones. `server`: its IP address. */
  take(routes: readonly Cidr[], server: string | undefined): void {
    this.clear();
    const ip = server === undefined ? undefined : ipBytes(withoutZone(server)) ?? undefined;
    for (
      const to of new Map(routes.map((one) => [formatCidr(networkOf(one)), networkOf(one)]))
        .values()
    ) {
      const conflictOf = (network: Cidr) => this.#keeper.conflictOf(network, server);
      const policy = { server: ip, exclude: this.#exclude, conflictOf };
      const refusal = routeRefusal(to, policy) ?? this.#add(to);
      if (refusal !== null) this.#tellRefusal(to, refusal);
    }
    if (this.#present.length === 0) return;
    this.#log.info("routes of the server are taken", { routes: textOf(this.#present) });
  }

  /** Takes out what `take` has added. */
  clear(): void {
    const gone = this.#present.splice(0);
    for (const { to, change } of gone) {
      try {
        this.#netlink.removeRoute({ index: this.#index, to });
        change?.forget();
      } catch (error) {
        if (!(error instanceof NativeError)) throw error;
        if (error.is("ESRCH", "ENODEV")) change?.forget(); // another program has taken it away
        else this.#log.warn(`Cannot take out the route ${formatCidr(to)}: ${error.message}`);
      }
    }
    if (gone.length > 0) {
      this.#log.info("routes of the server are taken out", { routes: textOf(gone) });
    }
  }

  /** Returns why it cannot be added, or null. */
  #add(to: Cidr): string | null {
    try {
      const add = () => this.#netlink.addRoute({ index: this.#index, to });
      const [device, index] = [this.#device, this.#index];
      const step = { kind: "deviceRoute", device, to: formatCidr(to), index } as const;
      const change = this.#journal?.make(step, add) ?? null;
      if (this.#journal === null) add();
      this.#present.push({ to, change });
      return null;
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      return error.is("EEXIST") ? "there is such a route" : error.message;
    }
  }

  #tellRefusal(to: Cidr, why: string): void {
    const words = `The route ${formatCidr(to)} that the server pushes is not taken: ${why}`;
    if (!this.#told.has(words)) this.#log.warn(words);
    this.#told.add(words);
  }

  [Symbol.dispose](): void {
    this.clear();
    this.#journal?.[Symbol.dispose]();
    this.#netlink[Symbol.dispose]();
  }
}

function textOf(routes: readonly { readonly to: Cidr }[]): string {
  return routes.map(({ to }) => formatCidr(to)).join(",");
}
