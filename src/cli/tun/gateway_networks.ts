import { type Cidr, formatCidr } from "../../base/addr.ts";
import type { KeptNetwork } from "../../core/net/kill_switch_rules.ts";
import { isLinkLocal } from "../../core/net/local_networks.ts";
import { keptNetworks, type TableEntry, tunnelTable } from "../../core/net/tunnel_table.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Netlink } from "../../../ffi/linux/netlink.ts";

/** The networks of the machine's links as they are now, seen from the tunnel. */
export class GatewayNetworks {
  readonly #netlink: Netlink;
  readonly #exclude: readonly Cidr[];
  /** The tunnel's interface index; null = there is no device yet. */
  #tunnel: number | null = null;
  /** The name servers of the machine that are the tunnel's. */
  nameServers: readonly Cidr[] = [];

  /** The caller keeps the ownership of the socket. `exclude`: networks beside the tunnel. */
  constructor(netlink: Netlink, exclude: readonly Cidr[]) {
    this.#netlink = netlink;
    this.#exclude = exclude;
  }

  /** Returns the device's index. @throws {NativeError} ENODEV */
  setDevice(name: string): number {
    this.#tunnel = this.#netlink.link(name).index;
    return this.#tunnel;
  }

  /** False also if the device is gone, or was not there yet. @throws {NativeError} ENODEV */
  get isUp(): boolean {
    return this.#tunnel !== null && this.#linkOf(this.#tunnel)?.up === true;
  }

  /** Names of links that have an address. */
  get links(): ReadonlySet<string> {
    return new Set(this.#connected().map(({ link }) => link));
  }

  /** Local networks of other links, which are kept beside the tunnel. */
  get kept(): KeptNetwork[] {
    const own = this.#own();
    return this.#connected().flatMap(({ link, network }) =>
      keptNetworks([network], own).map((kept) => ({ link, network: kept }))
    );
  }

  /** The table that all traffic looks up. */
  get table(): TableEntry[] {
    const addresses = this.#tunnel === null ? [] : this.#netlink.addresses(this.#tunnel);
    const global = addresses.filter(({ local }) => !isLinkLocal(local));
    return tunnelTable({
      families: ([4, 6] as const).filter((one) => global.some(({ local }) => local.family === one)),
      own: this.#own(),
      connected: this.#connected().map(({ network }) => network),
      exclude: this.#exclude,
      nameServers: this.nameServers,
    });
  }

  /** All that is beside the tunnel, in words. */
  get beside(): string[] {
    const kept = this.kept.map(({ link, network }) => `${formatCidr(network)} on ${link}`);
    return [...new Set([...kept, ...this.#exclude.map(formatCidr)])];
  }

  /** One text of these, for the log. */
  get besideText(): string {
    return this.beside.join(", ");
  }

  /** Networks that the main table sends into the tunnel. */
  #own(): Cidr[] {
    return this.#tunnel === null ? [] : this.#netlink.routes(this.#tunnel).map(({ to }) => to);
  }

  /** The networks of other links' addresses. */
  #connected(): KeptNetwork[] {
    const names = new Map<number, string>();
    return this.#netlink.allAddresses().filter(({ index }) => index !== this.#tunnel)
      .flatMap(({ index, local, peer }) => {
        const link = names.get(index) ?? this.#linkOf(index)?.name;
        if (link === undefined) return [];
        names.set(index, link);
        return { link, network: peer ?? local };
      });
  }

  /** Null if it is gone. */
  #linkOf(index: number): ReturnType<Netlink["link"]> | null {
    try {
      return this.#netlink.link(index);
    } catch (error) {
      if (error instanceof NativeError && error.is("ENODEV")) return null;
      throw error;
    }
  }
}
