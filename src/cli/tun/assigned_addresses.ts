import { type Cidr, formatCidr, formatIp, ipBytes, networkOf } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { covers } from "../../base/prefix.ts";
import { withoutZone } from "../../base/zone.ts";
import { refusalOf } from "../../core/ip/given_policy.ts";
import type { DeviceKeeper } from "../platform/platform.ts";

interface GivenConfig {
  /** The user named the addresses, which the server is asked for. */
  readonly addressesExplicit: boolean;
  readonly mtu: number;
  /** Networks whose addresses any server may assign. */
  readonly accepted: readonly Cidr[];
  readonly nameServers: readonly string[];
  /** Why the server will not recognise this client next time; null if it will. */
  readonly whyForgotten: string | null;
}

export class AssignedAddresses {
  readonly #keeper: Pick<DeviceKeeper, "changeAddresses" | "conflictOf">;
  readonly #device: string;
  readonly #config: GivenConfig;
  readonly #own: readonly Cidr[];
  readonly #log: Logger;
  /** The device's addresses; while `#wanted` is null, it may have only some of them. */
  #present: readonly Cidr[];
  /** Addresses wanted last, of which the device has as many as possible; null after a failure. */
  #wanted: string | null;
  readonly #told = new Set<string>();

  /** `own` are the device's addresses now, and again if a server assigns none. */
  constructor(
    keeper: Pick<DeviceKeeper, "changeAddresses" | "conflictOf">,
    device: string,
    config: GivenConfig,
    own: readonly Cidr[],
    log: Logger,
  ) {
    this.#keeper = keeper;
    this.#device = device;
    this.#config = config;
    this.#own = this.#present = own;
    this.#wanted = textOf(own);
    this.#log = log;
  }

  get present(): readonly Cidr[] {
    return this.#present;
  }

  /**
   * Takes the server's addresses; the user's were only a wish. `server`: its IP address.
   * @throws {TtunError} if the device cannot have them, or they would take over more than a server
   * may (core/ip/given_policy.ts)
   */
  async take(given: readonly Cidr[], server?: string): Promise<void> {
    const refusal = refusalOf(given, {
      accepted: this.#config.accepted,
      kept: [
        ...(server === undefined ? [] : [keptOf(server, "the server's own address")]),
        ...this.#config.nameServers.map((ip) => keptOf(ip, `the name server ${ip}`)),
      ].flat(),
      conflictOf: (network) => this.#keeper.conflictOf(network, server),
    });
    if (refusal !== null) {
      throw new TtunError("usage", `Cannot use the addresses of this server: ${refusal}`);
    }
    const wanted = given.length > 0 ? this.#usedOf(given) : this.#own;
    if (given.length > 0) this.#tell(given);
    const text = textOf(wanted);
    if (text === this.#wanted) return;
    const isSure = this.#wanted !== null;
    const remove = this.#present.filter((cidr) => !includes(wanted, cidr));
    const add = isSure ? wanted.filter((cidr) => !includes(this.#present, cidr)) : wanted;
    this.#present = [...wanted, ...remove];
    this.#wanted = null;
    const { mtu } = this.#config;
    const refused = await this.#keeper.changeAddresses(this.#device, { remove, add, mtu });
    const lacking = refused.map(({ local }) => local);
    this.#present = wanted.filter((cidr) => !includes(lacking, cidr));
    this.#wanted = text;
    for (const { why } of refused) this.#log.warn(why.message);
    this.#log.info("addresses", { device: this.#device, addresses: textOf(this.#present) });
  }

  /** Excludes a family by --address if others are assigned. A met wish keeps its prefix. */
  #usedOf(given: readonly Cidr[]): readonly Cidr[] {
    if (!this.#config.addressesExplicit) return given;
    const used = given.filter(({ family }) => this.#own.some((own) => own.family === family));
    return (used.length > 0 ? used : given)
      .map((address) => this.#own.find((own) => isSameIp(own, address)) ?? address);
  }

  /** Logs which wishes were not met, and that the addresses may change next time. */
  #tell(given: readonly Cidr[]): void {
    const { addressesExplicit: addressesExplicit, whyForgotten } = this.#config;
    for (const own of addressesExplicit ? this.#own : []) {
      if (given.some((address) => isSameIp(address, own))) continue;
      const words = `the server does not give --address ${formatCidr(own)}: ${whyNot(own, given)}`;
      this.#tellOnce("warn", words, { given: textOf(given) });
    }
    if (whyForgotten === null) return;
    this.#tellOnce("info", "the server may give other addresses next time", { why: whyForgotten });
  }

  #tellOnce(level: "info" | "warn", words: string, facts: Record<string, string>): void {
    const key = words + Object.values(facts).join();
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#log[level](words, facts);
  }
}

function keptOf(ip: string, what: string): { ip: Uint8Array; what: string }[] {
  const bytes = ipBytes(withoutZone(ip));
  return bytes === null ? [] : [{ ip: bytes, what }];
}

function includes(some: readonly Cidr[], cidr: Cidr): boolean {
  return some.some((other) => formatCidr(other) === formatCidr(cidr));
}

function isSameIp(one: Cidr, other: Cidr): boolean {
  return formatIp(one.bytes) === formatIp(other.bytes);
}

function whyNot(wish: Cidr, given: readonly Cidr[]): string {
  const same = given.filter(({ family }) => family === wish.family);
  if (same.length === 0) return `it gives no IPv${wish.family} addresses`;
  if (same.some((address) => covers(networkOf(address), wish.bytes))) {
    return "another client or the server has it, no client can, or the server is too old to be asked";
  }
  return `it is not in the server's network ${same.map(networkOf).map(formatCidr).join(", ")}`;
}

function textOf(addresses: readonly Cidr[]): string {
  return addresses.map(formatCidr).join(",");
}
